"""Events hold what OCSF 1.3.0 requires of them: https://schema.ocsf.io/1.3.0/classes/api_activity."""

import json
from typing import Any

import msgspec
import pytest

from doorward.audit.entries import Entry, How, What, Who
from doorward.audit.ocsf import event
from tests.unit.audit.test_matching import BEAT, CALL

# Of the class and its objects: attributes that are required, all that we may use, and constraints.
REQUIRED = {
    "": "activity_id actor api category_uid class_uid metadata severity_id src_endpoint time type_uid",
    "metadata": "product version",
    "metadata.product": "vendor_name",
    "api": "operation",
    "api.request": "uid",
}
OPTIONAL = {
    "": "activity_name category_name class_name count dst_endpoint duration message resources severity status"
    " status_code status_detail status_id type_name unmapped",
    "metadata": "correlation_uid event_code log_name log_provider original_time sequence tenant_uid uid",
    "metadata.product": "name version",
    "api": "group request response service version",
    "api.request": "flags",
    "api.response": "code error error_message flags message",
    "api.service": "name uid version",
    "api.group": "name type uid",
    "actor": "app_name app_uid session user",
    "actor.user": "credential_uid name type_id uid",
    "actor.session": "issuer uid",
    "src_endpoint": "name ip svc_name",
    "dst_endpoint": "name ip svc_name",
    "resources": "name type uid version",
}
AT_LEAST_ONE = {
    "actor": {"user", "session", "app_name", "app_uid"},
    "actor.user": {"name", "uid"},
    "metadata.product": {"name", "uid"},
    "src_endpoint": {"name", "ip", "svc_name"},
    "dst_endpoint": {"name", "ip", "svc_name"},
    "resources": {"name", "uid"},
    "api.service": {"name", "uid"},
}
ENUMS = {
    "activity_id": {0, 1, 2, 3, 4, 99},
    "severity_id": {0, 1, 2, 3, 4, 5, 6, 99},
    "status_id": {0, 1, 2, 99},
}
REFUSAL = Entry(
    7,
    5,
    "r",
    Who("t"),
    What("http"),
    How("refusal", "refuse", reason="credential_missing"),
    peer="x",
    times=9,
)
CLI = Who("t", subject="me", authentication="cli")
CHANGE = Entry(8, 5, "c", CLI, What(), How("change", action="key:revoke"), object="key:K")
LIST = Entry(9, 5, "l", Who("t"), What("http", "tools/list"), How("decision", "permit"))


def check(value: Any, path: str = "") -> None:
    """Against the tables above."""
    if isinstance(value, list):
        for each in value:
            check(each, path)
        return
    if path in OPTIONAL:
        assert isinstance(value, dict), path
    if not isinstance(value, dict) or path == "unmapped":
        return
    required, optional = REQUIRED.get(path, "").split(), OPTIONAL[path].split()
    assert set(required) <= set(value), path
    assert set(value) <= {*required, *optional}, path
    assert path not in AT_LEAST_ONE or AT_LEAST_ONE[path] & set(value), path
    for name, inner in value.items():
        check(inner, f"{path}.{name}" if path else name)


@pytest.mark.parametrize("entry", [CALL, REFUSAL, CHANGE, LIST], ids=["call", "refusal", "change", "list"])
def test_events_have_what_is_required_and_nothing_unknown(entry: Entry) -> None:
    made = event(entry, "1.2.3")
    assert made is not None
    check(made)
    assert (made["class_uid"], made["category_uid"]) == (6003, 6)
    assert made["type_uid"] == 600300 + made["activity_id"]
    assert all(made[name] in values for name, values in ENUMS.items())
    assert json.loads(json.dumps(made)) == made


def test_a_call_says_who_what_and_how() -> None:
    made = event(CALL, "1.2.3")
    assert made is not None
    assert made["time"] == CALL.ts
    assert made["api"]["operation"] == "crm.find"
    assert made["api"]["response"] == {"code": 1, "message": "timeout", "error": "late"}
    assert made["actor"]["user"]["uid"] == "alice"
    assert made["actor"]["app_uid"] == "bot"
    assert made["src_endpoint"] == {"name": "192.0.2.0/24"}
    assert made["metadata"]["correlation_uid"] == "trace"
    assert (made["status_id"], made["activity_name"], made["duration"]) == (2, "Read", 12)
    assert made["unmapped"]["args_hmac"] == "aa"


@pytest.mark.parametrize(
    ("entry", "status", "severity", "activity"),
    [
        pytest.param(REFUSAL, "Failure", "Medium", "Other", id="refusal"),
        pytest.param(CHANGE, "Success", "Informational", "Delete", id="change"),
        pytest.param(LIST, "Unknown", "Informational", "Other", id="list"),
    ],
)
def test_states_are_those_of_the_schema(entry: Entry, status: str, severity: str, activity: str) -> None:
    made = event(entry, "1")
    assert made is not None
    assert (made["status"], made["severity"], made["activity_name"]) == (status, severity, activity)


@pytest.mark.parametrize(
    ("op_class", "activity"),
    [
        ("read", "Read"),
        ("write", "Update"),
        ("destructive", "Delete"),
        ("external", "Other"),
        (None, "Other"),
    ],
)
def test_what_a_call_may_do_is_its_activity(op_class: str | None, activity: str) -> None:
    entry = msgspec.structs.replace(CALL, what=msgspec.structs.replace(CALL.what, op_class=op_class))
    made = event(entry, "1")
    assert made is not None
    assert made["activity_name"] == activity


def test_what_the_gateway_says_of_itself_is_no_api_activity() -> None:
    assert event(BEAT, "1") is None
