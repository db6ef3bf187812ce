import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.wire import versions
from doorward.wire.errors import WireError
from doorward.wire.replies import (
    DENSE,
    UpstreamError,
    UpstreamNotification,
    UpstreamRequest,
    UpstreamResult,
    batched,
    parse_upstream,
)

RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a\\"b"}],"n":1.0,"e":1e2}}'


def wire(**members: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **members}).encode()


@pytest.mark.spec("DW-025")
def test_the_four_kinds() -> None:
    assert parse_upstream(wire(id=1, result={})) == UpstreamResult(1, b"{}")
    assert parse_upstream(
        wire(id="1", error={"code": -1, "message": "m", "data": {"a": 1}})
    ) == UpstreamError("1", -1, "m", {"a": 1})
    assert parse_upstream(wire(id="q", method="roots/list")) == UpstreamRequest("q", "roots/list", None)
    assert parse_upstream(wire(method="n", params={"a": 1})) == UpstreamNotification("n", {"a": 1})


@pytest.mark.spec("DW-300")
def test_a_result_is_kept_byte_for_byte() -> None:
    found = parse_upstream(RESULT)
    assert isinstance(found, UpstreamResult)
    assert found.result == RESULT[len(b'{"jsonrpc":"2.0","id":1,"result":') : -1]


@pytest.mark.spec("DW-300")
@pytest.mark.parametrize(
    "data",
    [
        b'{ "result" : {"a": [1, 2.0],\n "b":"x  y"} , "jsonrpc":"2.0" , "id":1 }\r\n',
        b'{"jsonrpc":"2.0","id":1,"result":{"a": [1, 2.0],\r\n "b":"x  y"}}',
    ],
)
def test_white_space_between_tokens_goes_so_that_a_result_is_one_line(data: bytes) -> None:
    assert parse_upstream(data) == UpstreamResult(1, b'{"a":[1,2.0],"b":"x  y"}')


@pytest.mark.spec("DW-284")
def test_an_unreadable_id_is_none_in_an_error_only() -> None:
    error = {"code": -32700, "message": "parse"}
    assert parse_upstream(wire(id=None, error=error)) == parse_upstream(wire(error=error))
    assert parse_upstream(wire(error=error)) == UpstreamError(None, -32700, "parse", None)


@pytest.mark.spec("DW-284")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"noise on stdout",
        b"[]",
        b"null",
        b"{}",
        b"[" + RESULT + b"]",
        wire(id=None, result={}),
        wire(id=True, result={}),
        wire(id=1.0, result={}),
        wire(result={}),
        wire(id=1, result=[]),
        wire(id=1, result=None),
        wire(id=1, result="x"),
        wire(id=1, result={}, error={"code": 1, "message": ""}),
        wire(id=1, result={}, method="x"),
        wire(id=1),
        wire(id=1, error={"code": 1}),
        wire(id=1, error={"code": True, "message": ""}),
        wire(id=1, error="boom"),
        wire(id=1, method=5),
        wire(method="x", params=[1]),
        wire(method="x", params=None),
        b'{"id":1,"result":{}}',
        b'{"jsonrpc":2.0,"id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"id":2,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"result":{"a":1}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"res\\u0075lt":{"a":1}}',
        b'{"jsonrpc": "2.0", "id": 1, "id": 1, "result": {}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":"\xff"}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":"\xed\xa0\x80"}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":"\\ud800 and more text"}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":1,}}',
        b'{"jsonrpc":"2.0","id":1,"result":{}}{}',
        b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 100_000 + b"}",
        b'{"jsonrpc":"2.0","id":1,"result":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"jsonrpc":"2.0","method":"x","params":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"result":{}}',
    ],
    ids=lambda data: repr(data[:60]),
)
def test_a_broken_message_is_the_upstreams_fault(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_upstream(data)


@pytest.mark.spec("DW-014")
@given(st.binary(max_size=100))
@example(b'{"jsonrpc":"2.0","id":1,"result":{"\xff":1}}')
def test_arbitrary_bytes_raise_nothing_else(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_upstream(data)


@pytest.mark.spec("DW-301")
@given(st.data())
def test_a_mutated_result_is_valid_or_refused(data: st.DataObject) -> None:
    body = bytearray(RESULT)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        found = parse_upstream(bytes(body))
    except WireError:
        return
    if isinstance(found, UpstreamResult):
        assert isinstance(json.loads(found.result.decode()), dict)
        assert b"\n" not in found.result


@pytest.mark.spec("DW-300")
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8")), st.integers() | st.text(st.characters(codec="utf-8"))
    )
)
def test_any_spelling_of_a_result_means_the_same(result: dict[str, Any]) -> None:
    for indent, ascii_only in ((None, True), (2, False)):
        text = json.dumps(
            {"result": result, "jsonrpc": "2.0", "id": 1}, indent=indent, ensure_ascii=ascii_only
        )
        found = parse_upstream(text.encode())
        assert isinstance(found, UpstreamResult)
        assert msgspec.json.decode(found.result) == result


ESSENTIAL = (b'"jsonrpc":"2.0"', b'"id":12', b'"result":{"a":1}')


@pytest.mark.spec("DW-012")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_usual_members_are_read_in_any_order(order: tuple[int, ...]) -> None:
    data = b"{" + b",".join(ESSENTIAL[at] for at in order) + b"}"
    assert parse_upstream(data) == UpstreamResult(12, b'{"a":1}')


@pytest.mark.spec("DW-012")
@pytest.mark.parametrize(
    "data",
    [
        b'{"jsonrpc":"2.0","id":1,"id":12,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"\\u0072esult":{}}',
        b'{"jsonrpc":"2.0","id":1,"\\u0072esult":{}}',
        b'{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.1","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":[]}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"m"}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"method":"m"}',
        # Numbers whose spelling is shorter than their digits would leave room for something else.
        b'{"jsonrpc":"2.0","id":1e9,"a":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1e9,"result":{}       }',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":"\xff"}}',
    ],
)
def test_no_spelling_slips_past_the_strict_way(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_upstream(data)


@pytest.mark.spec("DW-012")
@given(st.text(), st.integers(-(2**63), 2**64 - 1), st.sampled_from(["", " ", "\n", "\t"]))
def test_the_quick_way_says_what_the_strict_way_says(text: str, number: int, space: str) -> None:
    result = json.dumps({"t": text}, ensure_ascii=False, separators=(",", ":"))
    try:
        data = f'{{"jsonrpc":{space}"2.0","id":{number},"result":{result}}}'.encode()
    except UnicodeEncodeError:
        return
    assert parse_upstream(data) == UpstreamResult(number, result.encode())


@pytest.mark.spec("DW-006")
@pytest.mark.parametrize(
    ("item", "refused"),
    [
        (b"[" * 56 + b"]" * 56, True),
        (b"[[[]]]", True),
        (b"[]", False),
        (b'{"a":[]}', False),
        (b"[[1]]", False),
    ],
)
def test_a_large_message_of_nothing_but_brackets_is_refused(item: bytes, refused: bool) -> None:
    for size in (DENSE // 2, DENSE * 2):
        value = b",".join([item] * (size // (len(item) + 1)))
        message = b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"x":[%b]}}' % value
        if refused and len(message) > DENSE:
            with pytest.raises(WireError, match="brackets"):
                parse_upstream(message)
        else:
            assert isinstance(parse_upstream(message), UpstreamResult)


@pytest.mark.spec("DW-396")
def test_the_messages_of_a_batch_come_apart_with_the_answers_last() -> None:
    answer, note, question = wire(id=1, result={}), wire(method="n"), wire(id="q", method="ping")
    assert batched(b" [%b ,\n%b,%b]" % (answer, note, question)) == [note, question, answer]
    assert len(batched(b"[" + b",".join([note] * versions.MAX_BATCH) + b"]")) == versions.MAX_BATCH


@pytest.mark.spec("DW-396")
@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[", b"[]", b"[1]", b"[[{}]]", b'["\xff"]', b"[{}] ]", b"[" * 300_000],
)
def test_anything_else_is_no_batch(data: bytes) -> None:
    assert batched(data) == []
    assert batched(b"[" + b",".join([wire(method="n")] * (versions.MAX_BATCH + 1)) + b"]") == []
