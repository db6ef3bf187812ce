"""A recognised call is the call that the strict reader reads; whatever differs is left to it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.model.canonical import canonical
from doorward.model.errors import CallerError
from doorward.wire import jsonrpc, meta, shapes, strict
from doorward.wire.shapes import Shapes

pytestmark = pytest.mark.spec("DW-012")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
ARGUMENTS = st.dictionaries(TEXT, VALUES | TEXT, max_size=4)
NAMES = TEXT | st.sampled_from(["echo", '"arguments":', 'a","arguments":{', "}}", '},"jsonrpc":"2.0","id":'])
IDS = st.integers(0, 10**15 - 1)
META = st.none() | st.dictionaries(TEXT, VALUES, max_size=2)


def id_first(request_id: Any, name: str, arguments: Any, more: Any = None) -> bytes:
    params = {"name": name, "arguments": arguments} | ({} if more is None else {"_meta": more})
    message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}
    return msgspec.json.encode(message)


def id_last(request_id: Any, name: str, arguments: Any, more: Any = None) -> bytes:
    """As the official SDKs write it."""
    params = {"name": name, "arguments": arguments} | ({} if more is None else {"_meta": more})
    message = {"method": "tools/call", "params": params, "jsonrpc": "2.0", "id": request_id}
    return msgspec.json.encode(message)


SPELLINGS = pytest.mark.parametrize("spell", [id_first, id_last])


def taught(body: bytes) -> Shapes:
    known = Shapes()
    request = jsonrpc.parse(body)
    assert isinstance(request, jsonrpc.Request)
    known.learn(body, request, "alice")
    return known


def read_again(known: Shapes, body: bytes) -> jsonrpc.Request | None:
    """What `find` says, as the strict reader would have said it."""
    found = known.find(body)
    if found is None:
        return None
    shape, request_id, spelled = found
    params = {**(shape.request.params or {}), "arguments": spelled.arguments}
    bare = {**shape.params, "arguments": spelled.arguments}
    assert (bare, shape.envelope, shape.meta) == meta.split_meta(params)
    assert spelled.compact == strict.encode(spelled.arguments)
    assert spelled.canonical == canonical(spelled.arguments)
    assert list(bare) == list(meta.split_meta(params)[0])
    return jsonrpc.Request(request_id, shape.request.method, params)


@SPELLINGS
@given(NAMES, META, IDS, IDS, ARGUMENTS, ARGUMENTS)
def test_the_same_spelling_with_another_id_and_other_arguments_is_recognised(  # noqa: PLR0917
    spell: Any, name: str, more: Any, one: int, other: int, first: dict[str, Any], second: dict[str, Any]
) -> None:
    known = taught(spell(one, name, first, more))
    body = spell(other, name, second, more)
    found = read_again(known, body)
    assert found is None or found == jsonrpc.parse(body)


@SPELLINGS
@given(st.integers(1, 10**15 - 1), ARGUMENTS)
def test_a_usual_call_is_recognised_whatever_its_arguments(
    spell: Any, request_id: int, arguments: dict[str, Any]
) -> None:
    known = taught(spell(1, "echo", {"text": "hello"}))
    body = spell(request_id, "echo", arguments)
    if not any(mark in body for mark in (b'"arguments":{"arguments"', b'},"jsonrpc"')):
        assert read_again(known, body) == jsonrpc.parse(body)


PIECES = st.sampled_from(
    [
        b'"arguments":', b'{"text":"x"}', b"{", b"}", b"[", b"]", b'"', b",", b":", b" ", b"\\", b"\n",
        b"0", b"-1", b'"id":5', b',"id":5', b'"text":"y",', b'"jsonrpc":"2.0"', b'},"jsonrpc":"2.0","id":7}',
        b"\xff", b"\x00",
        b"1e5", b"null", b'"_meta":{},', b'"Name":"x",', b'"method":"tools/list",', b"\\u0061",
    ]
) | st.binary(max_size=3)  # fmt: skip
EDITS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30), PIECES), min_size=1, max_size=4)


@SPELLINGS
@example([(22, 1, b"007")], {"text": "x"})
@example([(22, 1, b"0")], {"text": "x"})
@given(EDITS, ARGUMENTS)
def test_nothing_is_recognised_that_the_strict_reader_refuses_or_reads_otherwise(
    spell: Any, edits: list[tuple[int, int, bytes]], arguments: dict[str, Any]
) -> None:
    known = taught(spell(1, "echo", {"text": "hello"}))
    body = spell(2, "echo", arguments)
    for at, length, piece in edits:
        body = body[:at] + piece + body[at + length :]
    found = read_again(known, body)
    if found is not None:
        assert found == jsonrpc.parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":007,"method":"tools/call","params":{"name":"echo","arguments":{}}}',
        b'{"jsonrpc":"2.0","id":-1,"method":"tools/call","params":{"name":"echo","arguments":{}}}',
        b'{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"echo","arguments":{}}}',
        b'{"jsonrpc":"2.0","id":,"method":"tools/call","params":{"name":"echo","arguments":{}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":[]}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},"a":1}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":1,"a":2}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":"1","a":"2"}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a": "1"}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"Echo","arguments":{}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}\n',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}},"id":2}',
    ],
)
def test_what_is_not_the_same_spelling_is_left_to_the_strict_reader(body: bytes) -> None:
    assert taught(id_first(1, "echo", {"text": "x"})).find(body) is None


def test_arguments_that_nest_deeply_are_left_to_the_strict_reader() -> None:
    known = taught(id_first(1, "echo", {"text": "x"}))
    for depth in range(1, 80):
        body = id_first(1, "echo", {"a": json.loads("[" * depth + "]" * depth)})
        found = read_again(known, body)
        if depth + 3 > strict.MAX_DEPTH:
            assert found is None
            with pytest.raises(CallerError):
                jsonrpc.parse(body)
        if found is not None:
            assert found == jsonrpc.parse(body)
    assert read_again(known, id_first(1, "echo", {"a": [[1]]})) is not None


def test_the_members_are_where_the_strict_reader_finds_them() -> None:
    """The first text that looks like the arguments is none: they stand elsewhere, or in a name."""
    for name, more in (("echo", {"arguments": {"text": "x"}}), ('"arguments":{"text":"x"}', None)):
        params: dict[str, Any] = {} if more is None else {"_meta": more}
        params |= {"name": name, "arguments": {"text": "x"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        known = taught(msgspec.json.encode(message))
        message["id"], params["arguments"] = 2, {"text": "y"}
        body = msgspec.json.encode(message)
        found = read_again(known, body)
        assert found is None or found == jsonrpc.parse(body)


def id_after_method(request_id: Any, name: str, arguments: Any, more: Any = None) -> bytes:
    """As the Java SDK writes it."""
    params = {"name": name, "arguments": arguments} | ({} if more is None else {"_meta": more})
    message = {"jsonrpc": "2.0", "method": "tools/call", "id": request_id, "params": params}
    return msgspec.json.encode(message)


ALL_SPELLINGS = pytest.mark.parametrize("spell", [id_first, id_last, id_after_method])
PLAIN_IDS = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)


@pytest.mark.spec("DW-020")
@ALL_SPELLINGS
@given(NAMES, META, IDS | PLAIN_IDS, PLAIN_IDS, ARGUMENTS, ARGUMENTS)
def test_ids_that_are_texts_are_recognised(  # noqa: PLR0917
    spell: Any, name: str, more: Any, one: Any, other: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    known = taught(spell(one, name, first, more))
    body = spell(other, name, second, more)
    found = read_again(known, body)
    assert found is None or found == jsonrpc.parse(body)


@ALL_SPELLINGS
def test_the_ids_of_the_sdks_are_recognised(spell: Any) -> None:
    known = taught(spell("6f1d2c3b-0", "echo", {"a": "b"}))
    for other in ("6f1d2c3b-1", "9ecf2d52-3c1e-4b7e-8b32-2f9d3d0a1b2c", 7, "x" * 64):
        found = read_again(known, spell(other, "echo", {"a": "c"}))
        assert found is not None
        assert found.id == other
        assert type(found.id) is type(other)


@ALL_SPELLINGS
@pytest.mark.parametrize("other", ["", "x" * 65, 'a"b', "a\\b", "a,b", "a:b", "\u00e9", "\n", 10**17, -1, 0])
def test_ids_that_need_reading_are_read(spell: Any, other: Any) -> None:
    known = taught(spell(1, "echo", {}))
    assert known.find(spell(other, "echo", {})) is None


def test_only_calls_of_tools_are_learnt() -> None:
    for body in (
        id_first(1, "echo", {}).replace(b"tools/call", b"tools/list"),
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}',
        id_first(1, "x" * shapes.MAX_TEXT, {}),
        id_first(1, "echo", {}, {"progressToken": 1}),
    ):
        assert taught(body).find(body) is None


def teach(known: Shapes, name: str, caller: str, more: Any = None) -> bytes:
    body = id_first(1, name, {}, more)
    request = jsonrpc.parse(body)
    assert isinstance(request, jsonrpc.Request)
    known.learn(body, request, caller)
    return body


def test_one_caller_cannot_push_out_what_another_has_taught() -> None:
    known = Shapes()
    hers = teach(known, "hers", "alice")
    for n in range(shapes.MAX_SHAPES + 5):
        body = teach(known, f"tool-{n}", "mallory")
        assert (known.find(body) is not None) is (n < shapes.MAX_TAUGHT)
    assert known.find(hers) is not None


def test_nor_use_up_what_others_may_try(monkeypatch: pytest.MonkeyPatch) -> None:
    known, tries = Shapes(), []
    monkeypatch.setattr(shapes, "_prove", lambda *_: tries.append(1))
    for n in range(shapes.MAX_TAUGHT + 9):
        teach(known, f"tool-{n}", "mallory")
    assert len(tries) == shapes.MAX_TAUGHT
    monkeypatch.undo()
    assert known.find(teach(known, "hers", "alice")) is not None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MAX_SHAPES", 50)
    monkeypatch.setattr(shapes, "MAX_CALLERS", 30)
    known = Shapes()
    for n in range(200):
        assert known.find(teach(known, f"tool-{n}", f"caller-{n % 40}")) is not None
        assert sum(map(len, known._known.values())) <= 50
        assert len(known._taught) <= 30
    for n in range(shapes.MAX_TAILS + 5):  # something new in every call
        body = teach(known, "echo", "alice", {"trace": n})
        assert (known.find(body) is not None) is (n < shapes.MAX_TAILS)


def test_who_spells_one_call_in_many_ways_keeps_nobody_from_spelling_it_in_one() -> None:
    known = Shapes()
    crowd = shapes.MOST_TAILS // shapes.MAX_TAILS
    for n in range(crowd * shapes.MAX_TAILS):
        teach(known, "echo", f"greedy-{n % crowd}", {"trace": n})
    for n in range(crowd):
        mine = teach(known, "echo", f"modest-{n}", {"mine": n})
        assert known.find(mine) is not None
        for again in range(50):  # who has made way tries again, and takes nothing from who has less
            teach(known, "echo", f"greedy-{again % crowd}", {"more": again})
        assert known.find(mine) is not None
    assert [len(tails) for tails in known._known.values()] == [shapes.MOST_TAILS]
    assert known._shapes == shapes.MOST_TAILS


def test_one_more_is_not_taken_in_where_all_have_as_little() -> None:
    known = Shapes()
    first = [teach(known, "echo", f"caller-{n}", {"trace": n}) for n in range(shapes.MOST_TAILS)]
    assert known.find(teach(known, "echo", "late", {"late": 1})) is None
    assert all(known.find(body) is not None for body in first)


@pytest.mark.parametrize("metas", [(None, {"a": 1}), ({"a": 1}, None), ({"a": 1}, None, {"a": 2, "b": {}})])
@SPELLINGS
def test_calls_that_differ_in_their_meta_alone_do_not_hide_each_other(spell: Any, metas: Any) -> None:
    """The text around the arguments of one of them ends as that of another does."""
    known = Shapes()
    for number, more in enumerate(metas):
        body = spell(number + 1, "echo", {"text": "first"}, more)
        request = jsonrpc.parse(body)
        assert isinstance(request, jsonrpc.Request)
        known.learn(body, request, "alice")

    for more in metas:
        body = spell(77, "echo", {"text": "then"}, more)
        assert read_again(known, body) == jsonrpc.parse(body)


@pytest.mark.parametrize("key", ["progressToken", "traceparent"])
def test_what_is_new_in_each_call_teaches_nothing(key: str) -> None:
    known = taught(id_first(1, "echo", {}, {key: "1"}))
    assert known.find(id_first(2, "echo", {}, {key: "1"})) is None
