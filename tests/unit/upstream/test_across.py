"""Answers that change eras by cutting and joining say what they say when they are taken apart."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.call import Call, Era
from doorward.upstream.across import reading, to_legacy, to_modern
from doorward.upstream.incoming import usual
from doorward.upstream.outcome import SMALL
from doorward.wire import bridge
from tests.unit.catalog.build import call

LEGACY, MODERN = Era.LEGACY, Era.MODERN
CONTENT = '"content":[{"type":"text","text":"' + "x" * SMALL + '"}]'
STRUCTURED = '"structuredContent":{"a":[1,{"b":12345678901234567890}]}'
KIND = '"resultType":"complete"'


def body_of(result: str) -> bytes:
    return f'{{"jsonrpc":"2.0","id":7,"result":{result}}}'.encode()


def asking(era: Era, version: str = "2025-11-25") -> Call:
    return msgspec.structs.replace(call("tools/call", {}), era=era, version=version)


def bridged(result: str, caller: Era) -> object:
    other = MODERN if caller is LEGACY else LEGACY
    found = bridge.result_down(
        result.encode(), "tools/call", upstream_era=other, caller_era=caller, caller_version="2025-11-25"
    )
    return json.loads(found)


@pytest.mark.parametrize(
    "result",
    [
        f"{{{CONTENT}}}",
        f"{{{CONTENT},{STRUCTURED}}}",
        f"{{{STRUCTURED},{CONTENT}}}",
        f'{{{CONTENT},"isError":false}}',
        f'{{{CONTENT},"theirs":"caf\\u00e9 \\"resultType\\""}}',
    ],
)
def test_a_legacy_result_becomes_a_modern_one(result: str) -> None:
    found = to_modern(body_of(result), b"7")

    assert found is not None
    assert json.loads(found) == bridged(result, MODERN)


@pytest.mark.parametrize(
    "result",
    [
        f"{{{KIND},{CONTENT}}}",
        f"{{{CONTENT},{KIND}}}",
        f"{{{CONTENT}}}",
        f"{{{KIND},{CONTENT},{STRUCTURED}}}",
        f"{{{CONTENT},{STRUCTURED},{KIND}}}",
        f'{{{KIND},{CONTENT},"theirs":"\\"resultType\\":\\"complete\\", \\"ttlMs\\""}}',
    ],
)
def test_a_modern_result_becomes_a_legacy_one(result: str) -> None:
    found = to_legacy(body_of(result), b"7")

    assert found is not None
    assert json.loads(found) == bridged(result, LEGACY)
    assert b'"resultType":' not in found


@pytest.mark.parametrize(
    "result",
    [
        f'{{{CONTENT},"resultType":"complete"}}',
        f'{{{CONTENT},"resultTyp\\u0065":"complete"}}',
        f'{{{CONTENT},"theirs":{{"resultType":1}}}}',
        f"{{ {CONTENT}}}",
        "{" + " " * SMALL + "}",
        f'{{{CONTENT},"_meta":{{}}}}',
        f'{{{CONTENT},"isError":true}}',
        "[" + CONTENT.partition(":")[2] + "]",
        "{}",
    ],
)
def test_what_a_legacy_server_hardly_writes_is_left_to_the_long_way(result: str) -> None:
    assert to_modern(body_of(result), b"7") is None


@pytest.mark.parametrize(
    "result",
    [
        f'{{"content":[],{KIND},{CONTENT}}}',
        f"{{{KIND},{CONTENT},{KIND}}}",
        f'{{"resultType": "complete",{CONTENT}}}',
        f'{{{CONTENT},"resultType":"input_required"}}',
        f'{{{CONTENT},"resultTyp\\u0065":"complete"}}',
        f'{{{CONTENT},"t\\u0074lMs":0}}',
        f'{{{CONTENT},"ttlMs":0}}',
        f'{{{CONTENT},"cacheScope":"public"}}',
        f'{{{CONTENT},"structuredContent":[1]}}',
        f'{{{CONTENT},"structuredContent": {{}}}}',
        f"{{{CONTENT},{STRUCTURED},{STRUCTURED}}}",
        f'{{{CONTENT},"_meta":{{"io.modelcontextprotocol/serverInfo":{{}}}}}}',
        f'{{{CONTENT},"isError":true,{KIND}}}',
    ],
)
def test_what_a_modern_server_hardly_writes_is_left_to_the_long_way(result: str) -> None:
    assert to_legacy(body_of(result), b"7") is None


def test_answers_to_another_request_are_nobodys() -> None:
    for read in (to_modern, to_legacy):
        assert read(body_of(f"{{{CONTENT}}}"), b"8") is None


def test_which_way_answers_are_read() -> None:
    assert reading(asking(LEGACY), LEGACY) is usual
    assert reading(asking(MODERN, "2026-07-28"), MODERN) is usual
    assert reading(asking(MODERN, "2026-07-28"), LEGACY) is to_modern
    assert reading(asking(LEGACY), MODERN) is to_legacy
    assert reading(asking(LEGACY, "2025-03-26"), MODERN) is None


NAMES = st.sampled_from(
    ["content", "structuredContent", "resultType", "ttlMs", "cacheScope", "isError", "_meta", "theirs"]
)
VALUES = st.sampled_from(
    ["complete", "x" * SMALL, '"resultType":"complete"', ',"resultType":"complete"}', "caf\u00e9", "ttlMs"]
)
JSON = st.recursive(
    VALUES | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.tuples(NAMES, JSON), unique_by=lambda pair: pair[0], max_size=5), st.booleans())
def test_the_short_way_never_says_anything_else_than_the_long_way(
    members: list[tuple[str, object]], ascii_only: bool
) -> None:
    result = json.dumps(
        {"content": "x" * SMALL, **dict(members)}, ensure_ascii=ascii_only, separators=(",", ":")
    )
    for read, caller in ((to_modern, MODERN), (to_legacy, LEGACY)):
        found = read(body_of(result), b"7")
        if found is not None:
            assert json.loads(found) == bridged(result, caller)
