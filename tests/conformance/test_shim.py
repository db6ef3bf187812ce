"""Names of one server behind the aggregate endpoint, there and back."""

from typing import Any

import pytest

from tests.conformance.fixture.content import OWN_META
from tests.conformance.shim.names import Names


def listed(server: str, own: str, **members: Any) -> dict[str, Any]:
    return {**members, "_meta": {OWN_META: {"server": server, "name": own}}}


@pytest.fixture
def names() -> Names:
    made = Names("old")
    for member, entries in {
        "tools": [listed("old", "echo", name="old__echo"), listed("new", "echo", name="new__echo")],
        "resources": [listed("old", "test://a", uri="dw+old://test/a")],
        "resourceTemplates": [listed("old", "test://t/{id}", uriTemplate="dw+old://test/t/{id}")],
    }.items():
        made.reply({"id": 1, "result": {member: entries}})
    return made


def test_a_list_shows_one_server_under_its_own_names() -> None:
    entries = [listed("old", "echo", name="old__echo"), listed("new", "echo", name="new__echo")]
    shown = Names("old").reply({"id": 1, "result": {"tools": entries, "ttlMs": 0}})["result"]
    assert [tool["name"] for tool in shown["tools"]] == ["echo"]
    assert shown["ttlMs"] == 0


@pytest.mark.parametrize(
    ("params", "translated"),
    [
        (
            {"name": "echo", "arguments": {"name": "echo"}},
            {"name": "old__echo", "arguments": {"name": "echo"}},
        ),
        ({"name": "unknown"}, {"name": "unknown"}),
        ({"uri": "test://a"}, {"uri": "dw+old://test/a"}),
        ({"uri": "test://t/7"}, {"uri": "dw+old://test/t/7"}),
        (
            {"ref": {"type": "ref/prompt", "name": "echo"}},
            {"ref": {"type": "ref/prompt", "name": "old__echo"}},
        ),
        (
            {"notifications": {"resourceSubscriptions": ["test://a"]}},
            {"notifications": {"resourceSubscriptions": ["dw+old://test/a"]}},
        ),
    ],
)
def test_requests_are_translated(names: Names, params: dict[str, Any], translated: dict[str, Any]) -> None:
    assert names.request({"method": "x", "params": params})["params"] == translated


@pytest.mark.parametrize("message", [[], "x", {"params": []}, {"id": 1}])
def test_what_is_no_request_stays(names: Names, message: Any) -> None:
    assert names.request(message) == message


def test_uris_in_replies_and_notices_are_translated_back(names: Names) -> None:
    contents = [
        {"uri": "dw+old://test/t/7", "text": "dw+old://test/a"},
        {"resource": {"uri": "dw+old://test/a"}},
    ]
    back = names.reply({"id": 1, "result": {"contents": contents}})["result"]["contents"]
    assert back == [{"uri": "test://t/7", "text": "dw+old://test/a"}, {"resource": {"uri": "test://a"}}]
    notice = {"method": "notifications/resources/updated", "params": {"uri": "dw+old://test/a"}}
    assert names.reply(notice)["params"]["uri"] == "test://a"
