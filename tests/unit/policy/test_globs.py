"""Patterns against the standard library's, Cedar's and their own definition."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.policy.globs import Pattern, template_pattern

patterns = st.text(alphabet="ab*", max_size=6)
texts = st.text(alphabet="abc", max_size=7)


def reference(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


@given(patterns, texts)
def test_matching(pattern: str, text: str) -> None:
    assert Pattern(pattern).matches(text) is reference(pattern, text)


@pytest.mark.parametrize("text", ["a?c", "[ab]", "a\\*b", ".*", "a\nb", "$"])
def test_nothing_but_the_star_is_special(text: str) -> None:
    assert Pattern(text).matches(text)
    assert not Pattern("a?c").matches("abc")
    assert Pattern("*").matches(text)


@given(patterns, patterns, texts)
def test_what_matches_both_is_overlap(one: str, other: str, text: str) -> None:
    if reference(one, text) and reference(other, text):
        assert Pattern(one).overlaps(Pattern(other))


@given(patterns, patterns)
def test_overlap_has_a_witness(one: str, other: str) -> None:
    """Two overlapping patterns share a text no longer than both together: look at all of them."""
    overlaps = Pattern(one).overlaps(Pattern(other))
    assert overlaps is Pattern(other).overlaps(Pattern(one))
    assert overlaps is _shares_a_text(one, other)


def _shares_a_text(one: str, other: str) -> bool:
    """The product of both patterns as automata, by search."""
    seen, todo = set(), [(0, 0)]
    while todo:
        state = i, j = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        if i == len(one) and j == len(other):
            return True
        if i < len(one) and one[i] == "*":
            todo.append((i + 1, j))
            if j < len(other):
                todo.append((i, j + 1))
        if j < len(other) and other[j] == "*":
            todo.append((i, j + 1))
            if i < len(one):
                todo.append((i + 1, j))
        if i < len(one) and j < len(other) and one[i] == other[j]:
            todo.append((i + 1, j + 1))
    return False


@given(patterns, patterns, texts)
def test_coverage_is_inclusion(wide: str, narrow: str, text: str) -> None:
    if Pattern(wide).covers(Pattern(narrow)):
        assert reference(wide, text) or not reference(narrow, text)


@given(patterns, patterns)
def test_coverage_is_complete(wide: str, narrow: str) -> None:
    """What is not covered has a witness: every star as a character that `wide` does not spell out."""
    if not Pattern(wide).covers(Pattern(narrow)):
        witness = narrow.replace("*", "z")
        assert reference(narrow, witness)
        assert not reference(wide, witness)


def test_matching_does_not_backtrack() -> None:
    started = time.process_time()  # of this process: others may have the machine meanwhile
    assert not Pattern("a*" * 50 + "b").matches("a" * 20_000)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("template", "pattern"),
    [("a:{x}/b", "a:*/b"), ("{+x}{?y,z*}", "**"), ("a:{", "a:{"), ("plain", "plain")],
)
def test_templates(template: str, pattern: str) -> None:
    assert template_pattern(template).text == pattern
