"""Entries as OCSF events: API Activity (class_uid 6003) of version 1.3.0 (https://schema.ocsf.io/1.3.0).

Requests and changes are such events. What the gateway says of itself (lifecycle, heartbeat, segment) is none.
What OCSF has no attribute for stands under `unmapped`, in the words of our records.
"""

from collections.abc import Mapping
from typing import Any, Final

from doorward.audit.entries import Entry

VERSION: Final = "1.3.0"
CLASS: Final = 6003
KINDS: Final = frozenset({"decision", "refusal", "denials", "change"})
"""Records that are events."""
_CREATE, _READ, _UPDATE, _DELETE, _OTHER = (
    (1, "Create"),
    (2, "Read"),
    (3, "Update"),
    (4, "Delete"),
    (99, "Other"),
)
_BY_CLASS: Final[Mapping[str | None, tuple[int, str]]] = {
    "read": _READ,
    "write": _UPDATE,
    "destructive": _DELETE,
}
_BY_VERB: Final[Mapping[str, tuple[int, str]]] = {
    "create": _CREATE,
    "revoke": _DELETE,
    "rotate": _UPDATE,
    "replace": _UPDATE,
    "set": _UPDATE,
}
_LOW, _MEDIUM, _INFORMATIONAL = (2, "Low"), (3, "Medium"), (1, "Informational")
_SUCCESS, _FAILURE, _UNKNOWN = (1, "Success"), (2, "Failure"), (0, "Unknown")
_USER, _SYSTEM = 1, 3


def event(entry: Entry, product_version: str) -> dict[str, Any] | None:
    """None for what is no API activity."""
    if entry.how.kind not in KINDS:
        return None
    activity_id, activity = _activity(entry)
    status_id, status = _status(entry)
    severity_id, severity = _severity(entry, status_id)
    return {
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": CLASS // 1000,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": "API Activity",
        "type_uid": CLASS * 100 + activity_id,
        "type_name": f"API Activity: {activity}",
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        **_given(status_code=entry.how.why, status_detail=entry.how.status),
        "time": entry.ts,
        **_given(duration=None if entry.latency is None else round(entry.latency)),
        "count": entry.times,
        "metadata": _metadata(entry, product_version),
        "actor": _actor(entry),
        "api": _api(entry),
        "src_endpoint": {"name": entry.peer or entry.who.authentication or "unknown"},
        **_given(dst_endpoint=_given(svc_name=entry.what.server), resources=_resources(entry)),
        "unmapped": _unmapped(entry),
    }


def _activity(entry: Entry) -> tuple[int, str]:
    if entry.how.kind == "change":
        return _BY_VERB.get((entry.how.action or "").rpartition(":")[2], _OTHER)
    return _BY_CLASS.get(entry.what.op_class, _OTHER)


def _status(entry: Entry) -> tuple[int, str]:
    if entry.how.kind == "change" or entry.how.status in {"ok", "empty"}:
        return _SUCCESS
    return _UNKNOWN if entry.how.status in {None, "none"} else _FAILURE


def _severity(entry: Entry, status_id: int) -> tuple[int, str]:
    if entry.how.decision in {"deny", "hold", "refuse"}:
        return _MEDIUM
    return _LOW if status_id == _FAILURE[0] else _INFORMATIONAL


def _metadata(entry: Entry, product_version: str) -> dict[str, Any]:
    product = {"name": "Doorward", "vendor_name": "Doorward", "version": product_version}
    return {
        "version": VERSION,
        "product": product,
        "uid": entry.id,
        "log_name": "audit",
        "sequence": entry.number,
        "original_time": str(entry.ts),
        **_given(
            tenant_uid=entry.who.tenant or None,
            log_provider=entry.who.gateway or None,
            correlation_uid=entry.trace,
            event_code=entry.how.action or entry.what.method,
        ),
    }


def _actor(entry: Entry) -> dict[str, Any]:
    who = entry.who
    if who.subject is None:
        return {"app_name": who.client or "unknown"}
    user = {"uid": who.subject, "name": who.subject, "type_id": _USER if who.agent is None else _SYSTEM}
    session = None if entry.session is None else _given(uid=entry.session, issuer=who.gateway or None)
    return {
        "user": {**user, **_given(credential_uid=who.key)},
        **_given(app_name=who.client, app_uid=who.agent, session=session),
    }


def _api(entry: Entry) -> dict[str, Any]:
    how = entry.how
    code = None if how.error_code is None else {"code": how.error_code}
    response = {**(code or {}), **_given(message=how.result, error=how.failure)}
    return {
        "operation": how.action or entry.what.tool or entry.what.method or "unknown",
        "request": {"uid": entry.id},
        **_given(
            service=_given(name=entry.what.server or entry.what.endpoint),
            response=response,
            group=_given(name=entry.what.method),
        ),
    }


def _resources(entry: Entry) -> list[dict[str, Any]]:
    if entry.object is not None:
        return [{"name": entry.object, "type": entry.object.partition(":")[0]}]
    if entry.what.name is None:
        return []
    return [{"name": entry.what.name, **_given(type=entry.what.kind, version=entry.what.definition)}]


def _unmapped(entry: Entry) -> dict[str, Any]:
    how = entry.how
    return {
        "kind": how.kind,
        **_given(
            decision=how.decision,
            mode=how.mode,
            rules=list(how.rules),
            would_be_denied=how.softened,
            policy_revision=how.policy,
            args_hmac=entry.args,
            sent_hmac=entry.sent,
            result_hmac=entry.result,
            result_bytes=entry.bytes,
            on_behalf_of=list(entry.who.actors),
            during=entry.during,
        ),
    }


def _given(**members: Any) -> dict[str, Any]:
    """Those that have a value."""
    return {name: value for name, value in members.items() if value is not None and value not in ({}, [])}
