import json
import sys
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import strict

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def refusal(data: bytes) -> Reason:
    with pytest.raises(CallerError) as caught:
        strict.decode(data)
    return caught.value.reason


@pytest.mark.spec("DW-001", "DW-002", "DW-003")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"nul",
        b"{}x",
        b"{} {}",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b"{1:2}",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"0x10",
        b"NaN",
        b'{"a":NaN}',
        b"Infinity",
        b"-Infinity",
        b"/**/1",
        b"\x0b1",
        b'"\x01"',
        b'"\n"',
        b'"\\q"',
        b'"\\u12"',
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'{"\xff":1}',
        '"é"'.encode("latin-1"),
        '{"a":1}'.encode("utf-16"),
        b'"\\ud800"',
        b'"\\udc00"',
        b'"\\ud800x plenty of text"',
        b'"\\ud800\\u0041"',
        b'"\\ud800\\ud800"',
        b'{"\\udfff":1}',
    ],
)
def test_what_is_no_json_is_a_parse_error(data: bytes) -> None:
    assert refusal(data) is Reason.PARSE_ERROR


@pytest.mark.spec("DW-004")
@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1, "a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":1,"b":{"c":[{"d":1,"d":2}]}}',
        b'[{"":1,"":2}]',
        b'{"a":"\\"a\\":1","b":":","b":":"}',
        b'{"a\\\\":1,"a\\\\":2}',
        b'{"x":{"a":1},"x":{"a":1}}',
        b"1e999",
        b"-1e999",
        b'{"a":[1e400]}',
        b"9" * (strict.MAX_DIGITS + 1),
        b"9" * 100_000,
    ],
)
def test_what_means_two_things_is_an_invalid_request(data: bytes) -> None:
    assert refusal(data) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-006")
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"[":', b"}]")])
def test_depth_is_bounded_exactly(opening: bytes, closing: bytes) -> None:
    levels = strict.MAX_DEPTH // (opening.count(b"[") + opening.count(b"{") - opening.count(b'"["'))
    strict.decode(opening * levels + b"1" + closing * levels)
    assert refusal(opening * (levels + 1) + b"1" + closing * (levels + 1)) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-006")
@pytest.mark.parametrize("levels", [500, 5_000, 200_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_no_depth_exhausts_the_stack(opening: bytes, levels: int) -> None:
    closing = opening[::-1].translate(bytes.maketrans(b"[{", b"]}"), b'"a:')
    assert refusal(opening * levels + b"1" + closing * levels) is Reason.INVALID_REQUEST
    assert refusal(opening * levels) in (
        Reason.INVALID_REQUEST,
        Reason.PARSE_ERROR,
    )  # unfinished: either is true


@pytest.mark.spec("DW-006")
def test_a_small_stack_is_no_way_around() -> None:
    def sink(levels: int) -> Reason:
        return sink(levels - 1) if levels else refusal(b"[" * 900 + b"]" * 900)

    assert sink(sys.getrecursionlimit() // 2) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-006")
def test_brackets_in_strings_have_no_depth() -> None:
    value = {"text": "[" * 1000, "quote": '\\"' * 40 + "{[" * 40, "[{": '"'}
    assert strict.decode(strict.encode(value)) == value
    assert strict.depth(strict.encode(value)) == 1


@pytest.mark.spec("DW-006")
def test_the_number_of_containers_is_bounded_and_brackets_in_strings_do_not_count() -> None:
    many = b"[" + b",".join([b"{}"] * (strict.MAX_CONTAINERS - 1)) + b"]"
    assert len(strict.decode(many)) == strict.MAX_CONTAINERS - 1
    assert refusal(many[:-1] + b",[]]") is Reason.INVALID_REQUEST
    text = "[" * (2 * strict.MAX_CONTAINERS)
    assert strict.decode(strict.encode([text])) == [text]


@pytest.mark.spec("DW-011")
@pytest.mark.parametrize(
    "number",
    ["0", "-1", "9223372036854775808", "18446744073709551616", "9" * strict.MAX_DIGITS, "-" + "7" * 999],
)
def test_integers_are_kept_exactly(number: str) -> None:
    assert strict.encode(strict.decode(number.encode())) == number.encode()


@pytest.mark.spec("DW-001")
@pytest.mark.parametrize(
    "text",
    ['{"a": [1, 2.50, 1E2], "b":\t"\\/\\u00e9\\ud83d\\ude00"}\n', '{"\\u0000":"\\\\","a":"b\\\\\\""}', " 1 "],
)
def test_other_spellings_of_a_value_are_read(text: str) -> None:
    assert strict.decode(text.encode()) == json.loads(text)


@pytest.mark.spec("DW-001")
@given(VALUES)
@example({"a": {"b": [None, True, 1.5, "é\u2028\x7f", -0.0]}})
def test_what_is_encoded_is_decoded(value: Any) -> None:
    assert strict.decode(strict.encode(value)) == value


@pytest.mark.spec("DW-001")
@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_every_writer_is_understood(value: Any, ascii_only: bool, indent: int | str | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert strict.decode(text.encode()) == value


def objects(value: Any) -> list[dict[str, Any]]:
    found = [value] if isinstance(value, dict) and value else []
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return found + [one for child in children for one in objects(child)]


class Repeated(dict[str, Any]):
    """Writes its first member twice, the second time with another value."""

    def items(self) -> Any:
        pairs = list(super().items())
        return [*pairs, (pairs[0][0], "again")]


def repeat(value: Any, chosen: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        made = {name: repeat(one, chosen) for name, one in value.items()}
        return Repeated(made) if value is chosen else made
    if isinstance(value, list):
        return [repeat(one, chosen) for one in value]
    return value


@pytest.mark.spec("DW-004")
@given(VALUES, st.data(), st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
def test_a_repeated_name_is_refused_wherever_it_stands(
    value: Any, data: st.DataObject, ascii_only: bool, separators: tuple[str, str]
) -> None:
    candidates = objects(value)
    assume(candidates)
    twice = repeat(value, data.draw(st.sampled_from(candidates)))
    text = json.dumps(twice, ensure_ascii=ascii_only, separators=separators)
    assert refusal(text.encode()) is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-014")
@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_else(data: bytes) -> None:
    try:
        value = strict.decode(data)
    except CallerError as error:
        assert error.reason in (Reason.PARSE_ERROR, Reason.INVALID_REQUEST)  # noqa: PT017 - either is right here
    else:
        assert strict.decode(strict.encode(value)) == value


def nesting(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    return 1 + max(map(nesting, value), default=0) if isinstance(value, list) else 0


@pytest.mark.spec("DW-006")
@given(VALUES, st.integers(0, 40))
def test_depth_agrees_with_a_walk(value: Any, more: int) -> None:
    for _ in range(more):
        value = {"k": [value, "]}"]}
    assert strict.depth(strict.encode(value)) == nesting(value)


@pytest.mark.spec("DW-012")
def test_canonical_does_not_depend_on_the_order_of_members() -> None:
    assert strict.canonical({"b": {"d": 1, "c": [2]}, "a": "é"}) == '{"a":"é","b":{"c":[2],"d":1}}'.encode()


@pytest.mark.spec("DW-014")
def test_an_error_never_quotes_the_input() -> None:
    with pytest.raises(CallerError) as caught:
        strict.decode(b'{"password":"hunter2" "x"}')
    assert "hunter2" not in str(caught.value)


@pytest.mark.spec("DW-006")
def test_more_members_than_anybody_needs_are_refused_before_they_are_built() -> None:
    def members(count: int, value: str = "1") -> bytes:
        return ("{" + ",".join(f'"{n}":{value}' for n in range(count)) + "}").encode()

    assert len(strict.decode(members(strict.MAX_MEMBERS))) == strict.MAX_MEMBERS
    assert strict.decode(members(10, '"' + ":" * strict.MAX_MEMBERS + '"'))["9"] == ":" * strict.MAX_MEMBERS
    with pytest.raises(CallerError, match="members of objects") as caught:
        strict.decode(members(strict.MAX_MEMBERS + 1))
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-016")
@pytest.mark.parametrize(
    "number",
    [
        "1.0", "1.10", "1E5", "-0", "-0.0", "1e-7", "0.10000000000000001", "3.1415926535897931",
        "0.000012345678901234567", "12345678901234567890123", "-12345678901234567890123",
        "1.0000000000000000000",
        "0.0e-999", "100000000000000000000.0", "0.5000000000000000000000000000", "1e22", "5e-324", "1e-300",
    ],
)  # fmt: skip
def test_a_number_is_kept_whatever_its_spelling(number: str) -> None:
    value = strict.decode(f'{{ "a": {number} }}'.encode())["a"]

    assert value == (float(number) if {".", "e", "E"} & set(number) else int(number))
    assert strict.decode(strict.encode({"a": value})) == {"a": value}


@pytest.mark.spec("DW-016")
@pytest.mark.parametrize(
    "number",
    [
        "0.1000000000000000055511151231257827", "100.00000000000000000001", "123456789012345678901.5",
        "1e-400", "-1.5e-999", "9007199254740993.1234", "1.00000000000000000000000000000001e10",
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ['{"a":%s}', '{ "a" : [%s, 1] }', "%s"])
def test_a_number_with_more_digits_than_a_double_has_is_refused(number: str, around: str) -> None:
    with pytest.raises(CallerError, match="more digits than can be kept") as error:
        strict.decode((around % number).encode())
    assert error.value.reason is Reason.INVALID_REQUEST


@pytest.mark.spec("DW-016")
def test_digits_in_a_text_are_no_number() -> None:
    text = '{"a": "0.1000000000000000055511151231257827", "b": "\\"1e-400", "1e-400": 1}'
    assert len(strict.decode(text.encode())) == 3


@pytest.mark.spec("DW-016")
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["%.17g", "%.16e", "%r", "%.3f"]))
def test_every_double_may_be_spelled_with_all_its_digits(value: float, form: str) -> None:
    spelled = form % value
    if form != "%.3f" or abs(value) < 1e13:
        assert strict.decode(f'{{"a": {spelled}}}'.encode())["a"] == float(spelled)


@pytest.mark.spec("DW-012")
@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ('{"b":1.0,"a":1e2}', None),
        ('{"b":1.0,"a":-0.0}', b'{"a":0,"b":1}'),
        ('{"a":{"n":100.5},"b":[1.0]}', b'{"a":{"n":100.5},"b":[1]}'),
        ('{"b":1,"a":true}', b'{"a":true,"b":1}'),
        ('{"\ue000":1,"\U0001f600":2}', '{"\U0001f600":2,"\ue000":1}'.encode()),
        ('{"\ue000":"x","\U0001f600":"y"}', '{"\U0001f600":"y","\ue000":"x"}'.encode()),
        ('{"b":"x","a":"y"}', b'{"a":"y","b":"x"}'),
    ],
)
def test_what_is_compact_has_its_canonical_form(text: str, canonical: bytes | None) -> None:
    """RFC 8785, which our encoder's own order and spelling of numbers are not."""
    spelled = strict.compact(text.encode())
    assert (None if spelled is None else spelled.canonical) == canonical
