"""A text judged in pieces gets the verdict that it gets as a whole, however it is cut."""

import json
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import slices, strict

NAMES = st.sampled_from(["a", "b", "", 'a"', "\\", "é", "a,b", "[", '{"x":1,', "😀"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | NAMES
)
# An object is a tuple of pairs here, so that names may repeat.
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.lists(st.tuples(NAMES, inner), max_size=5).map(tuple),
    max_leaves=30,
)


def spelled(tree: Any, dice: random.Random) -> str:
    def blank() -> str:
        return dice.choice(["", "", "", " ", "\n"])

    if isinstance(tree, tuple):
        members = [f"{blank()}{spelled(k, dice)}{blank()}:{spelled(v, dice)}" for k, v in tree]
        return f"{{{','.join(members)}{blank()}}}"
    if isinstance(tree, list):
        return f"[{','.join(blank() + spelled(item, dice) + blank() for item in tree)}]"
    return json.dumps(tree, ensure_ascii=dice.random() < 0.5)


def damaged(text: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(text) + 1)
    other = bytes([dice.choice(b'{}[],:"\\0123e.tfn aA\n')])
    return text[:at] + dice.choice([b"", other]) + text[at + dice.randrange(2) :]


def verdict(text: bytes, piece: int) -> Reason | None:
    try:
        for _ in slices.check(text, piece):
            pass
    except CallerError as error:
        return error.reason
    return None


def verdict_of_the_whole(text: bytes) -> Reason | None:
    try:
        strict.decode(text)
    except CallerError as error:
        return error.reason
    return None


@pytest.mark.spec("DW-012")
@given(TREES, st.randoms(use_true_random=False), st.integers(2, 40), st.integers(0, 2))
@example([1, 2], random.Random(1), 2, 0)
def test_the_verdict_does_not_depend_on_the_cuts(
    tree: Any, dice: random.Random, piece: int, damages: int
) -> None:
    text = spelled(tree, dice).encode()
    for _ in range(damages):
        text = damaged(text, dice)
    assert (verdict(text, piece) is None) == (verdict_of_the_whole(text) is None), text


@pytest.mark.spec("DW-001")
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"1,2",
        b"[1,]",
        b"[,1]",
        b"[1,,2]",
        b"[1,2",
        b"[1,2]]",
        b'{"a":1,}',
        b'{"a":[1,2},3]',
        b'{"a":1,"b",2}',
        b'["a,b]',
        b'["a\\",1]',
        b"[1,2] 3",
        b"[1,2],3",
        b"[1,nul,2]",
    ],
)
@pytest.mark.parametrize("piece", [2, 3, 5, 8192])
def test_what_is_no_json_is_a_parse_error_wherever_it_is_cut(text: bytes, piece: int) -> None:
    assert verdict(text, piece) is Reason.PARSE_ERROR


@pytest.mark.spec("DW-004")
@pytest.mark.parametrize("piece", [2, 7, 8192])
def test_names_are_compared_across_pieces(piece: int) -> None:
    filling = b",".join(b'"k%d":[%d,{"a":1,"b":2}]' % (n, n) for n in range(50))
    assert verdict(b'{"a":1,%b,"z":2}' % filling, piece) is None
    assert verdict(b'{"a":1,%b,"\\u0061":2}' % filling, piece) is Reason.INVALID_REQUEST
    assert verdict(b'[{"x":{"a":1,%b,"a":2}},3]' % filling, piece) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-006")
def test_a_string_as_long_as_the_text_is_one_piece() -> None:
    for content in (
        b"QUJD" * 50_000,
        b'\\"' * 50_000,
        b"\\\\" * 50_001,
        "😀".encode() * 30_000,
        b"],{" * 30_000,
    ):
        assert verdict(b'{"a":["%b",1],"b":2}' % content, slices.PIECE) is None
    assert verdict(b'["%b"]' % (b"\\\\" * 50_000 + b"\\"), slices.PIECE) is Reason.PARSE_ERROR


@pytest.mark.spec("DW-012")
def test_no_step_reads_more_than_a_few_pieces() -> None:
    text = b"[%b]" % b",".join([b'{"id":12345,"name":"row"}'] * 20_000)
    assert sum(1 for _ in slices.check(text)) >= len(text) // slices.PIECE


@pytest.mark.spec("DW-006")
def test_what_cannot_hold_many_costly_numbers_is_known_at_once() -> None:
    assert not slices.costly(b"[%b]" % b",".join([b"1.5"] * 3000))
    assert slices.costly(b"[%b]" % b",".join([b"1e300"] * 300))
    assert slices.costly(b"[%b]" % b",".join([b"1.5E-300"] * 300))
