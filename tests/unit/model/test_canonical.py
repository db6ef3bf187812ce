"""Held against an RFC 8785 implementation that shares nothing with ours."""

import json
import struct
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.canonical import any_canonical, canonical

EXACT = 2**53 - 1
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = TEXT | st.sampled_from(["\U0001f600", "\ue000", "\uffff", "é", "a", "A", "", "\x00", '"', "\\"])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | st.integers(-EXACT, EXACT) | FLOATS | TEXT
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4)
)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_any_object_is_spelled_as_rfc_8785_says(value: dict[str, Any]) -> None:
    assert canonical(value) == any_canonical(value) == rfc8785.dumps(value)


@given(st.dictionaries(NAMES, LEAVES, max_size=6))
def test_so_is_a_flat_one(value: dict[str, Any]) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(st.binary(min_size=8, max_size=8))
def test_every_double_is_spelled_as_ecmascript_does(raw: bytes) -> None:
    (value,) = struct.unpack(">d", raw)
    if value - value == 0:  # neither infinite nor no number
        assert any_canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000000", "0"), ("8000000000000000", "0"), ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"), ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"), ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"), ("44b52d02c7e14af6", "1e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"), ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"), ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"), ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)  # fmt: skip
def test_the_samples_of_the_standard(bits: str, text: str) -> None:
    """RFC 8785 appendix B."""
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert any_canonical(value) == text.encode()


def test_the_example_of_the_standard() -> None:
    """RFC 8785 section 3.2.3: names in the order of their UTF-16 code units."""
    given = {"€": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew", "1": "One", "😀": "Emoji",
             "\x80": "Control", "ö": "Latin"}  # fmt: skip
    assert list(json.loads(canonical(given))) == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]


def test_integers_that_no_double_holds_keep_their_digits() -> None:
    assert canonical({"n": 2**53 + 1, "m": [10**30]}) == b'{"m":[1' + b"0" * 30 + b'],"n":9007199254740993}'


def test_what_nobody_decoded_stands_as_it_is_spelled() -> None:
    assert canonical({"b": msgspec.Raw(b'{"z": 1.0}'), "a": 1.0}) == b'{"a":1,"b":{"z": 1.0}}'
