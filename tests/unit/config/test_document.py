import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.config import document
from doorward.config.document import MAX_CHARS, MAX_DEPTH, Mapping, Scalar, Sequence, compose
from doorward.config.scalars import plain


def value(text: str) -> object:
    """The value of the only key of a document."""
    root = compose(text).root
    assert isinstance(root, Mapping)
    ((_, node),) = root.entries
    assert isinstance(node, Scalar)
    return node.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", 1),
        ("a: -0x10", "-0x10"),
        ("a: 0x1F", 31),
        ("a: 0o17", 15),
        ("a: 017", 17),
        ("a: 1.5e3", 1500.0),
        ("a: 1_000", "1_000"),
        ("a: 1:20", "1:20"),
        ("a: 2026-07-28", "2026-07-28"),
        ("a: yes", "yes"),
        ("a: on", "on"),
        ("a: true", True),
        ("a: ~", None),
        ("a:", None),
        ('a: "1"', "1"),
        ("a: ''", ""),
        ("a: |\n  x\n  y\n", "x\ny\n"),
        ("a: <<", "<<"),
    ],
)
def test_values_follow_the_core_schema(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_a_long_run_of_digits_is_text() -> None:
    assert value("a: " + "9" * 5000) == "9" * 5000


def test_keys_and_values_know_their_places() -> None:
    root = compose("a:\n  b: [x, {c: 1}]\n").root
    assert isinstance(root, Mapping)
    key, inner = root.entries[0]
    assert (key.span.line, key.span.column) == (1, 1)
    assert isinstance(inner, Mapping)
    _, items = inner.entries[0]
    assert isinstance(items, Sequence)
    assert [(item.span.line, item.span.column) for item in items.items] == [(2, 7), (2, 10)]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: &x 1", 1, 4, "anchors"),
        ("a: &x 1\nb: *x", 2, 4, "aliases"),
        ("a: !!int 1", 1, 4, "tags"),
        ("a: !x {}", 1, 4, "tags"),
        ("a: 1\nb: 2\na: 3", 3, 1, "already in line 1"),
        ("1: a", 1, 1, "a key must be text, this is a number"),
        ("true: a", 1, 1, "a key must be text, this is true or false"),
        ("{[a]: 1}", 1, 2, "a key must be text, this is a list"),
        ("a: .inf", 1, 4, "infinity"),
        ("a: 1e999", 1, 4, "too large"),
        ('a: "\\0"', 1, 4, "control character"),
        ('a: "\\ud800"', 1, 4, "surrogate"),
        ("a: \x07", 1, 4, "U+0007"),
        ("a:\n\tb: 1", 2, 1, "tab"),
        ("a: 1\n---\nb: 1", 2, 1, "second document"),
        ("%TAG ! x\n---\na: 1", 1, 1, "directives"),
        ("a: 'x", 1, 4, "not closed"),
        ("a: b: c", 1, 5, "mapping values"),
        ('a: "\\UFFFFFFFF"', 0, 0, "no Unicode character"),
        ("[" * (MAX_DEPTH + 2), 1, MAX_DEPTH + 2, "nested deeper"),
        ("a" * (MAX_CHARS + 1), 0, 0, "larger than"),
    ],
)
def test_what_a_configuration_has_no_use_for_is_a_fault(
    text: str, line: int, column: int, words: str
) -> None:
    faults = [fault for fault in compose(text).faults if words in fault.message]
    assert [(fault.line, fault.column) for fault in faults] == [(line, column)]


@given(st.text(alphabet=st.sampled_from("ab:-[]{}#&*!|>'\"%@`?,.\n \t\\$\x00\x85\u2028\ufeff~<0eUx")))
@example("\\\x85%")
@example('"\\U0011FFFF"')
def test_no_text_makes_it_raise(text: str) -> None:
    composed = document.compose(text)
    for fault in composed.faults:
        assert 0 <= fault.line <= len(composed.lines)


@given(st.text(max_size=40))
def test_a_plain_scalar_is_a_value_or_a_value_error(text: str) -> None:
    try:
        found = plain(text)
    except ValueError:
        return
    assert not isinstance(found, float) or found - found == 0
