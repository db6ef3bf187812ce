import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.call import RpcError
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import jsonrpc
from doorward.wire.jsonrpc import Batch, Notification, Request, Response, parse

IDS = st.integers(-(10**40), 10**40) | st.text(st.characters(codec="utf-8"), max_size=8)
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "echo", "arguments": {"a": [1]}},
}


def wire(**members: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **members}).encode()


def refusal(data: bytes) -> Reason:
    with pytest.raises(CallerError) as caught:
        parse(data)
    return caught.value.reason


def outcome(data: bytes) -> object:
    try:
        return type(parse(data))
    except CallerError as error:
        return error.reason


OUTCOMES = (Request, Notification, Response, Batch, Reason.PARSE_ERROR, Reason.INVALID_REQUEST)


@pytest.mark.spec("DW-015")
def test_the_three_kinds() -> None:
    assert parse(json.dumps(CALL).encode()) == Request(1, "tools/call", CALL["params"])  # type: ignore[arg-type]
    assert parse(wire(id="a", method="ping")) == Request("a", "ping", None)
    assert parse(wire(method="notifications/x", params={})) == Notification("notifications/x", {})
    assert parse(wire(id=1, result={"a": 1})) == Response(1, {"a": 1}, None)
    error = {"code": -1, "message": "no", "data": [1]}
    assert parse(wire(id="1", error=error)) == Response("1", None, RpcError(-1, "no", [1]))
    assert parse(wire(error={"code": 1, "message": ""})) == Response(None, None, RpcError(1, ""))


@pytest.mark.spec("DW-008", "DW-009")
@pytest.mark.parametrize(
    "members",
    [
        {"id": None, "method": "ping"},
        {"id": 1.0, "method": "ping"},
        {"id": 1.5, "method": "ping"},
        {"id": True, "method": "ping"},
        {"id": False, "method": "ping"},
        {"id": [1], "method": "ping"},
        {"id": {}, "method": "ping"},
        {"id": 1},
        {},
        {"id": 1, "method": ""},
        {"id": 1, "method": 5},
        {"id": 1, "method": None},
        {"id": 1, "method": "ping", "params": []},
        {"id": 1, "method": "ping", "params": None},
        {"id": 1, "method": "ping", "params": "x"},
        {"method": "x", "params": [1]},
        {"id": 1, "method": "ping", "result": {}},
        {"id": 1, "method": "ping", "error": {"code": 1, "message": ""}},
        {"id": 1, "result": {}, "error": {"code": 1, "message": ""}},
        {"id": 1, "result": {}, "params": {}},
        {"id": 1, "result": 5},
        {"id": 1, "result": None},
        {"id": 1, "result": []},
        {"result": {}},
        {"id": None, "result": {}},
        {"id": None, "error": {"code": 1, "message": ""}},
        {"id": 1, "error": None},
        {"id": 1, "error": {"code": "1", "message": ""}},
        {"id": 1, "error": {"code": True, "message": ""}},
        {"id": 1, "error": {"code": 1.0, "message": ""}},
        {"id": 1, "error": {"code": 1}},
    ],
    ids=json.dumps,
)
def test_a_bad_envelope_is_an_invalid_request(members: dict[str, Any]) -> None:
    assert refusal(wire(**members)) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-007")
@pytest.mark.parametrize("version", [None, 2.0, 2, "2", "1.0", "2.00", ""], ids=repr)
def test_only_jsonrpc_2(version: Any) -> None:
    assert refusal(json.dumps(CALL | {"jsonrpc": version}).encode()) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-015")
@pytest.mark.parametrize("body", [b"1", b'"x"', b"null", b"true", b"{}", b"[]", b"[1]", b"[[]]"])
def test_what_is_no_message_is_an_invalid_request(body: bytes) -> None:
    assert refusal(body) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-007")
def test_jsonrpc_may_not_be_absent() -> None:
    assert refusal(b'{"id":1,"method":"ping"}') is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-005")
@pytest.mark.parametrize(
    "variant", ["ID", "Id", "Method", "PARAMS", "paramſ", "Jsonrpc", "JSONRPC", "Result", "erroR"]
)
def test_a_case_variant_in_the_envelope_is_refused(variant: str) -> None:
    assert refusal(wire(id=1, method="ping", **{variant: {}})) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-005")
@pytest.mark.parametrize(
    "params",
    [
        {"name": "a", "Name": "b"},
        {"Name": "b"},
        {"name": "a", "Arguments": {"evil": 1}},
        {"name": "a", "argumentſ": {"evil": 1}},
        {"toKen": 1, "token": 2},
        {"_Meta": {}},
        {"URI": "file:///etc/passwd"},
        {"ref": {"type": "ref/prompt", "name": "a", "Name": "b"}},
        {"ref": {"type": "ref/resource", "Uri": "a"}},
    ],
    ids=json.dumps,
)
def test_a_case_variant_in_params_is_refused(params: dict[str, Any]) -> None:
    assert refusal(wire(id=1, method="tools/call", params=params)) is Reason.INVALID_REQUEST
    assert refusal(wire(method="tools/call", params=params)) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-005")
def test_a_tools_own_arguments_keep_their_case() -> None:
    params = {"name": "x", "arguments": {"Name": 1, "name": 2, "ID": 3}}
    assert parse(wire(id=1, method="tools/call", params=params)) == Request(1, "tools/call", params)


@pytest.mark.spec("DW-010")
def test_unknown_members_are_tolerated_and_dropped() -> None:
    assert parse(wire(id=1, method="ping", trace="x")) == Request(1, "ping", None)
    assert parse(wire(id=1, method="ping", params={"extra": 1})) == Request(1, "ping", {"extra": 1})


@pytest.mark.spec("DW-394")
def test_a_batch_holds_messages_and_nothing_else() -> None:
    ping, note = wire(id=1, method="ping"), wire(method="x")
    assert parse(b"[%b,%b]" % (ping, note)) == Batch([Request(1, "ping", None), Notification("x", None)])
    assert refusal(b"[%b,[%b]]" % (ping, note)) is Reason.INVALID_REQUEST
    assert refusal(b"[%b,%b]" % (ping, wire(id=None, method="x"))) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-014")
@given(st.binary(max_size=120))
def test_arbitrary_bytes_raise_nothing_else(data: bytes) -> None:
    assert outcome(data) in OUTCOMES


@pytest.mark.spec("DW-014")
@given(st.data())
def test_mutated_messages_raise_nothing_else(data: st.DataObject) -> None:
    body = bytearray(json.dumps(CALL).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not body:
            break
    assert outcome(bytes(body)) in OUTCOMES


@pytest.mark.spec("DW-011")
@given(IDS, st.text(st.characters(codec="utf-8"), min_size=1, max_size=9))
def test_what_is_encoded_is_parsed_and_ids_keep_their_type(request_id: int | str, method: str) -> None:
    for params in (None, {}, {"a": [1.5, None, "é"]}):
        asked = parse(jsonrpc.encode_request(request_id, method, params))
        assert asked == Request(request_id, method, params)
        assert isinstance(asked, Request)
        assert type(asked.id) is type(request_id)
        assert parse(jsonrpc.encode_notification(method, params)) == Notification(method, params)
    assert parse(jsonrpc.encode_result(request_id, b'{"a":1}')) == Response(request_id, {"a": 1}, None)
    failed = parse(jsonrpc.encode_error(request_id, -5, method, {"x": 1}))
    assert failed == Response(request_id, None, RpcError(-5, method, {"x": 1}))


@pytest.mark.spec("DW-011")
def test_encodings_are_exact() -> None:
    assert (
        jsonrpc.encode_result("é", b'{"n":1.0}') == '{"jsonrpc":"2.0","id":"é","result":{"n":1.0}}'.encode()
    )
    assert (
        jsonrpc.encode_error(None, -32700, "x") == b'{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}'
    )
    assert jsonrpc.encode_request(7, "ping", None) == b'{"jsonrpc":"2.0","id":7,"method":"ping"}'
    assert jsonrpc.encode_notification("n", {}) == b'{"jsonrpc":"2.0","method":"n","params":{}}'


DEEP = b"[" * 200 + b"]" * 200


@pytest.mark.spec("DW-425")
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"id":7,"method":"m","params":{"a":%b}}' % DEEP, 7),
        (b'{"params":{"a":%b},"method":"m","id":"7"}' % DEEP, "7"),
        (b'{"id":7,"method":"m","params":{"a":1e999}}', 7),
        (b'{"id":18446744073709551617,"method":"m","params":[]}', 18446744073709551617),
        (b'{"id":7,"result":{"a":%b}}' % DEEP, None),
        (b'{"id":1.5,"method":"m"}', None),
        (b'{"id":true,"method":"m"}', None),
        (b'{"method":"m"}', None),
        (b'[{"id":7,"method":"m"}]', None),
        (b'{"id":7,"method":"m","params":{"a":NaN}}', None),
        (b'{"id":7,"method":"m","params":%b}' % (b"[" * 100_000 + b"]" * 100_000), None),
        (b"", None),
    ],
)
def test_the_id_of_a_request_that_is_refused_for_something_else(data: bytes, found: int | str | None) -> None:
    assert jsonrpc.id_alone(data) == found
    assert type(jsonrpc.id_alone(data)) is type(found)
