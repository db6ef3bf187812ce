"""Results at the aggregate: each URI is one that can be read there; every other byte is the server's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.wire import uris
from doorward.wire.errors import WireError
from doorward.wire.relocate import MAX_BLOCKS, PAUSE, app_links, error_data, may_hold, steps

pytestmark = pytest.mark.spec("DW-331")

TOOL, PROMPT, READ = "tools/call", "prompts/get", "resources/read"


def moved(method: str, raw: bytes, server: str = "a") -> bytes:
    work = steps(server, method, raw)
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


LINK = b'{"type":"resource_link","uri":"file:///x","name":"n"}'
EMBEDDED = b'{"type":"resource","resource":{"uri":"memo:x","text":"file:///x"}}'


@pytest.mark.parametrize(
    ("method", "raw", "said"),
    [
        (TOOL, b'{"content":[' + LINK + b"]}", b'{"content":[' + LINK.replace(b"file", b"a+file") + b"]}"),
        (TOOL, b'{"content":[%b]}' % EMBEDDED, b'{"content":[%b]}' % EMBEDDED.replace(b"memo", b"a+memo")),
        (
            PROMPT,
            b'{"messages":[{"role":"user","content":%b},{"role":"user","content":{"type":"text"}}]}' % LINK,
            b'{"messages":[{"role":"user","content":%b},{"role":"user","content":{"type":"text"}}]}'
            % LINK.replace(b"file", b"a+file"),
        ),
        (
            READ,
            b'{"contents":[{"uri":"ui://c","text":"ui://c"},{"uri":"b+f:x","blob":""}],"ttlMs":1e0}',
            b'{"contents":[{"uri":"ui://a/c","text":"ui://c"},{"uri":"a+b+f:x","blob":""}],"ttlMs":1e0}',
        ),
        (
            TOOL,
            b'{"content":[],"_meta":{"ui":{"resourceUri":"ui:\\/\\/c","n":1.00},"ui/resourceUri":"ui://c"}}',
            b'{"content":[],"_meta":{"ui":{"resourceUri":"ui://a/c","n":1.00},"ui/resourceUri":"ui://a/c"}}',
        ),
    ],
)
def test_where_uris_are(method: str, raw: bytes, said: bytes) -> None:
    assert may_hold(method, raw)
    assert moved(method, raw) == said


def test_names_may_be_spelled_with_escapes() -> None:
    raw = b'{"c\\u006fntent":[{"t\\u0079pe":"r\\u0065source_link","\\u0075ri":"f\\u0069le:///x"}]}'

    assert may_hold(TOOL, raw)
    assert json.loads(moved(TOOL, raw))["content"][0]["uri"] == "a+file:///x"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"content":[{"type":"text","text":"{\\"type\\":\\"resource_link\\",\\"uri\\":\\"f:x\\"}"}]}',
        b'{"structuredContent":{"type":"resource_link","uri":"file:///x"},"content":[]}',
        b'{"content":[{"type":"resource_link","uri":7},{"type":"resource_link"},{"type":"resource"}]}',
        b'{"content":[{"type":"resource","resource":"file:///x"},7,null,[],{"type":["resource"],"uri":"f:"}]}',
        b'{"content":{"type":"resource_link","uri":"file:///x"}}',
        b'{"content":"resource_link", "_meta":{"ui":"ui://c","ui/resourceUri":"https://c"}}',
        b'{"_meta":["ui"],"content" : [ ] }',
        b'["resource_link"]',
        b'"\\u0061"',
    ],
)
def test_what_has_no_uri_of_the_protocol_keeps_every_byte(raw: bytes) -> None:
    assert moved(TOOL, raw) == raw


def test_a_plain_reply_is_not_looked_at() -> None:
    assert not may_hold(TOOL, b'{"content":[{"type":"text","text":"{\\"a\\": [1]}"}],"isError":false}')
    assert not may_hold("completion/complete", b'{"completion":{"values":["\\u0061"]}}')
    assert may_hold(READ, b"{}")


@pytest.mark.spec("DW-302")
def test_other_values_keep_their_spelling() -> None:
    raw = (
        b'{"structuredContent":{"n":123456789012345678901234567890,"f":1.10e+2, "z":-0},'
        b'"content":[{"n": 1.0, "uri":"f:x","type":"resource_link","big":98765432109876543210}]}'
    )

    said = moved(TOOL, raw)

    for spelled in (
        b"123456789012345678901234567890",
        b"1.10e+2",
        b'"z":-0',
        b"1.0",
        b"98765432109876543210",
    ):
        assert spelled in said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
URI = st.text(max_size=12)
BLOCK = st.one_of(
    st.fixed_dictionaries({"type": st.just("resource_link"), "uri": URI}, optional={"x": JSON}),
    st.fixed_dictionaries(
        {"type": st.just("resource"), "resource": st.fixed_dictionaries({"uri": URI, "y": JSON})}
    ),
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=9)}),
    JSON,
)


def back(block: Any) -> Any:
    """What the server said, from what the caller got."""
    inner = {"resource_link": block, "resource": block.get("resource")} if isinstance(block, dict) else {}
    found = (
        inner.get(block.get("type"))
        if isinstance(block, dict) and isinstance(block.get("type"), str)
        else None
    )
    if isinstance(found, dict) and isinstance(found.get("uri"), str):
        server, uri = uris.own(found["uri"]) or ("", "")
        assert server == "a"
        found["uri"] = uri
    return block


@given(st.lists(BLOCK, max_size=5), st.booleans(), JSON)
def test_it_can_be_taken_back(blocks: list[Any], ascii_only: bool, more: Any) -> None:
    result = {"content": blocks, "structuredContent": more}
    raw = json.dumps(result, ensure_ascii=ascii_only).encode()

    said = json.loads(moved(TOOL, raw) if may_hold(TOOL, raw) else raw)

    assert {**said, "content": [back(block) for block in said["content"]]} == result


@given(st.binary(max_size=60), st.sampled_from([TOOL, PROMPT, READ]))
def test_whatever_a_server_sends_nothing_breaks(raw: bytes, method: str) -> None:
    moved(method, raw)
    moved(method, b'{"content":[%b],"contents":%b,"messages":[%b]}' % (raw, raw, raw))


def test_much_is_done_in_steps_and_too_much_is_refused() -> None:
    many = b'{"content":[%b]}' % b",".join([LINK] * (PAUSE * 3))
    assert len(list(steps("a", TOOL, many))) == 3

    with pytest.raises(WireError, match=str(MAX_BLOCKS)):
        moved(TOOL, b'{"content":[%b]}' % b",".join([b"{}"] * (MAX_BLOCKS + 1)))
    braces = b'{"content":[{"type":"text","text":"%b"}]}' % (b"{" * (MAX_BLOCKS + 1))
    assert moved(TOOL, braces) == braces


@pytest.mark.spec("DW-351")
def test_what_was_not_found_is_named_as_it_was_asked_for() -> None:
    assert error_data("a", {"uri": "f:x", "n": 1}) == {"uri": "a+f:x", "n": 1}
    for other in (None, "f:x", {"uri": 1}, ["f:x"]):
        assert error_data("a", other) == other


def test_links_to_apps() -> None:
    links = {"openai/outputTemplate": "ui://c", "ui": {"resourceUri": "ui://c", "x": 1}, "y": "ui://c"}
    assert app_links("a", links) == {
        "openai/outputTemplate": "ui://a/c", "ui": {"resourceUri": "ui://a/c", "x": 1}, "y": "ui://c",
    }  # fmt: skip
    for other in ({"ui": {"resourceUri": 1}}, {"ui": "ui://c"}, {"ui/resourceUri": "https://c"}, None, 7):
        assert app_links("a", other) is other
