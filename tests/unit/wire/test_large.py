"""A large message says what a small one of the same text would."""

import json
from typing import Any

import msgspec
import pytest

from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import jsonrpc, large

BLOB = "QUJD" * 10_000
ROWS = [{"id": n, "name": f"row {n}", "price": n + 0.25} for n in range(2000)]


def read(message: Any) -> large.Large:
    return read_text(json.dumps(message, separators=(",", ":")).encode())


def read_text(text: bytes) -> large.Large:
    steps = large.parse(text)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: large.Large = done.value
            return found


def refusal(message: Any) -> CallerError:
    with pytest.raises(CallerError) as caught:
        read(message)
    return caught.value


def call(**arguments: Any) -> dict[str, Any]:
    params = {"name": "echo", "arguments": arguments, "_meta": {"progressToken": 7}}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


@pytest.mark.spec("DW-011")
def test_what_is_large_stays_as_it_was_spelled() -> None:
    message = call(text=BLOB, limit=5, rows=ROWS, filter={"state": "open"})
    found = read(message)
    request = found.message
    assert isinstance(request, jsonrpc.Request)
    assert (request.id, request.method) == (1, "tools/call")
    assert request.params is not None
    assert (request.params["name"], request.params["_meta"]) == ("echo", {"progressToken": 7})
    arguments = request.params["arguments"]
    assert (arguments["limit"], arguments["filter"]) == (5, {"state": "open"})
    assert isinstance(arguments["text"], msgspec.Raw)
    assert json.loads(bytes(arguments["rows"])) == ROWS
    assert json.loads(jsonrpc.encode_request(2, "tools/call", request.params))["params"] == message["params"]


@pytest.mark.spec("DW-011")
def test_the_spelling_of_the_arguments_goes_along() -> None:
    message = call(text=BLOB, limit=5)
    found = read(message)
    assert found.spelled is not None
    assert found.spelled.raw
    assert json.loads(found.spelled.compact) == message["params"]["arguments"]
    assert found.spelled.canonical is found.spelled.compact
    assert isinstance(found.message, jsonrpc.Request)
    assert found.message.params is not None
    assert found.message.params["arguments"] is found.spelled.arguments


@pytest.mark.spec("DW-011")
def test_it_fits_into_one_line_whatever_its_spelling() -> None:
    found = read_text(json.dumps(call(rows=ROWS), indent=2).encode())
    assert found.spelled is not None
    assert b"\n" not in found.spelled.compact
    assert json.loads(found.spelled.compact) == {"rows": ROWS}


@pytest.mark.spec("DW-012")
def test_answers_of_a_client_are_read_as_well() -> None:
    found = read({"jsonrpc": "2.0", "id": "a", "result": {"content": {"data": BLOB}, "model": "m"}}).message
    assert isinstance(found, jsonrpc.Response)
    assert found.result is not None
    assert found.result["model"] == "m"
    failed = {"jsonrpc": "2.0", "id": "a", "error": {"code": 1, "message": "no", "data": BLOB}}
    assert isinstance(read(failed).message, jsonrpc.Response)


@pytest.mark.spec("DW-012")
@pytest.mark.parametrize("message", ["x" * 20_000, {"jsonrpc": "2.0", "x": BLOB}, [[1] * 20_000]])
def test_what_is_no_message_is_refused(message: Any) -> None:
    assert refusal(message).reason in (Reason.INVALID_REQUEST, Reason.BATCH_UNSUPPORTED)


@pytest.mark.spec("DW-012")
def test_a_member_that_is_looked_at_may_not_be_large() -> None:
    message = call(text="x")
    message["params"]["name"] = "n" * (large.MAX_MEMBER + 1)
    assert "params.name is larger than 65536 bytes" in str(refusal(message))
    assert "id is larger" in str(refusal({**call(), "id": "n" * (large.MAX_MEMBER + 1)}))


@pytest.mark.spec("DW-005")
def test_case_variants_are_refused_as_in_small_messages() -> None:
    assert refusal({**call(text=BLOB), "Params": {}}).reason is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-012")
def test_only_what_may_take_long_is_read_in_steps() -> None:
    prose = json.dumps(call(text="one 1e5 two of three " * 200)).encode()
    costly = json.dumps(call(numbers=[1e300] * 400)).encode()
    assert not large.takes_long(prose[: large.LARGE])
    assert large.takes_long(costly)
    assert large.takes_long(b" " * (large.LARGE + 1))


@pytest.mark.spec("DW-016")
@pytest.mark.parametrize("number", ["100.00000000000000000001", "1e-400"])
def test_a_number_that_rules_would_read_as_another_is_refused(number: str) -> None:
    """It would be sent as it is spelled."""
    text = json.dumps(call(blob=BLOB, amount=7)).replace("7}", number + "}", 1)
    with pytest.raises(CallerError, match="more digits than can be kept"):
        read_text(text.encode())
