"""A server cannot speak in the gateway's name."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.call import Outcome
from doorward.pipeline import rescue
from doorward.upstream.incoming import SHORT, disowned, hands_out_a_task, unsigned, usual
from doorward.upstream.outcome import SMALL, of_result
from doorward.wire import bridge, jsonrpc

DENIAL = "dev.doorward/denial"


@pytest.mark.spec("DW-147")
@pytest.mark.parametrize(
    "spelled",
    [
        '"dev.doorward/denial"',
        '"dev.doorward\\/denial"',
        '"dev\\u002edoorward/denial"',
        '"d\\u0065v.doorward/x"',
    ],
)
def test_our_own_keys_are_taken_out_however_they_are_spelled(spelled: str) -> None:
    said = '{"content":[],"_meta":{' + spelled + ':{"reason":"no_grant"},"theirs":1},"isError":true}'
    kept = json.loads(unsigned(said.encode()))
    assert kept == {"content": [], "_meta": {"theirs": 1}, "isError": True}


@pytest.mark.spec("DW-140")
@pytest.mark.parametrize(
    "said",
    ['{"content":[{"text":"dev.doorward/denial \\u00e9"}]}', '{"_meta":{"a":1.50}}', '{"_meta":7}', "{}"],
)
def test_everything_else_stays_as_it_was(said: str) -> None:
    assert unsigned(said.encode()) == said.encode()


@pytest.mark.spec("DW-147")
@pytest.mark.parametrize("other", ["{}", "7", "null", '{"theirs":1}'])
@pytest.mark.parametrize("name", ["_meta", "\\u005fmeta"])
def test_a_second_meta_hides_nothing(name: str, other: str) -> None:
    """Whichever of the two a client reads."""
    signed = f'"{name}":{{"dev.doorward/denial":1}}'
    for said in (f'{{{signed},"_meta":{other}}}', f'{{"_meta":{other},{signed}}}'):
        assert b"dev.doorward" not in unsigned(said.encode())


LONG = "x" * SMALL
RESULT = '{"content":[{"type":"text","text":"' + LONG + '"}]}'


def body_of(result: str, number: int = 7) -> bytes:
    return f'{{"jsonrpc":"2.0","id":{number},"result":{result}}}'.encode()


def sdk_body_of(result: str, number: int = 7) -> bytes:
    """As the TypeScript SDK writes it."""
    return f'{{"result":{result},"jsonrpc":"2.0","id":{number}}}'.encode()


@pytest.mark.parametrize("spell", [body_of, sdk_body_of])
def test_the_usual_answer_is_known_at_sight(spell) -> None:
    assert usual(spell(RESULT), b"7") == RESULT.encode()
    assert usual(spell(RESULT[:-1] + ',"isError":false}'), b"7") is not None
    assert usual(spell(RESULT.replace("xx", "é")), b"7") is not None


@pytest.mark.parametrize("spell", [body_of, sdk_body_of])
@pytest.mark.parametrize(
    "result",
    [
        "{}",
        '{"content":[]}',
        RESULT[:-1] + ',"isError":true}',
        RESULT[:-1] + ',"isErr\\u006fr":true}',
        RESULT[:-1] + ',"_meta":{}}',
        RESULT[:-1] + ',"_meta":null}',
        RESULT[:-1] + ',"\\u005fmeta":{}}',
        RESULT[:-1] + ',"_meta":{},"_meta":null}',
        RESULT[:-1],
        RESULT + "}",
        RESULT + ',"id":8',
        RESULT + ',"error":{"code":1,"message":"x"}',
        RESULT.replace(",", ",\n", 1),
        "[" + RESULT + "]",
        '"' + LONG + '"',
        '{"a":' * 2000 + "1" + "}" * 2000,
    ],
)
def test_whatever_is_left_to_be_judged_is_not_usual(spell, result: str) -> None:
    assert usual(spell(result), b"7") is None


def test_neither_is_the_answer_to_another_request_or_what_is_not_utf_8() -> None:
    for number in (b"70", b"8", b"", b"-7"):
        assert usual(body_of(RESULT), number) is None
        assert usual(sdk_body_of(RESULT), number) is None
    for bad in (b"\xff", b"\xed\xa0\x80", b"\x00"):
        assert usual(body_of(RESULT).replace(b"xx", bad, 1), b"7") is None
    assert usual(body_of(RESULT) + b" ", b"7") is None


PIECES = st.sampled_from(
    [b'"', b"{", b"}", b",", b":", b"[", b"\\", b"\n", b'"id":7', b'"result":{}', b"x", b" "]
)


@pytest.mark.spec("DW-012")
@given(
    st.sampled_from([body_of, sdk_body_of]),
    st.lists(st.tuples(st.integers(0, len(RESULT) + 60), st.integers(0, 40), PIECES), min_size=1, max_size=4),
)
def test_what_is_usual_is_what_the_strict_reader_reads(spell, edits) -> None:
    body = spell(RESULT)
    for at, length, piece in edits:
        body = body[:at] + piece + body[at + length :]
    found = usual(body, b"7")
    if found is not None:
        assert jsonrpc.parse_upstream(body) == jsonrpc.UpstreamResult(7, found)
        assert of_result("tools/call", found) is Outcome.OK


def error(code: int, data: object) -> jsonrpc.UpstreamError:
    return jsonrpc.UpstreamError(1, code, "said", data)


@pytest.mark.parametrize("code", sorted({form.code for form in rescue.FORMS.values()} | {rescue.HELD}))
def test_a_server_does_not_refuse_with_a_code_of_ours(code: int) -> None:
    passed, message, _ = disowned(error(code, None))

    assert message == "said"
    assert passed == (bridge.INTERNAL_ERROR if code > -32000 else code)


@pytest.mark.parametrize("large", [False, True])
def test_a_server_s_error_does_not_explain_itself_as_a_refusal_of_ours(large: bool) -> None:
    said = {"decision_id": "x", "reason": "no_grant", "theirs": 1, "uri": "a:b"}
    data = msgspec.Raw(json.dumps(said).encode()) if large else said

    _, _, kept = disowned(error(-32602, data))

    assert json.loads(msgspec.json.encode(kept)) == {"theirs": 1, "uri": "a:b"}


@pytest.mark.parametrize("data", [None, 7, "no_grant", [], {"reason": "quota"}, {"reason": ["no_grant"]}])
def test_what_a_server_explains_in_words_of_its_own_stays(data: object) -> None:
    assert disowned(error(-32602, data)) == (-32602, "said", data)
    assert disowned(error(5, msgspec.Raw(msgspec.json.encode(data))))[0] == 5


TASK = '"task":{"taskId":"t","status":"working","createdAt":"x","lastUpdatedAt":"x","ttl":null}'


@pytest.mark.spec("DW-055")
@pytest.mark.parametrize("spelled", [f"{{{TASK}}}", f'{{"_meta":{{"a":1}},{TASK}}}', '{"t\\u0061sk":{}}'])
def test_the_handle_of_a_task_is_known_however_it_is_spelled(spelled: str) -> None:
    assert hands_out_a_task(spelled.encode())


@pytest.mark.spec("DW-055")
@pytest.mark.parametrize(
    "spelled",
    [f'{{"content":[],{TASK}}}', '{"content":[{"task":1}]}', "{}", "[]", '{"task"', '{"x":"\\ud800\\u"}'],
)
def test_a_result_of_a_tool_is_none(spelled: str) -> None:
    assert not hands_out_a_task(spelled.encode())
    assert not hands_out_a_task(b'{"task":{},"x":"%b"}' % (b"y" * SHORT))
