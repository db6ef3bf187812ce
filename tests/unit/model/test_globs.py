"""`*` is the only special character, and it costs linear time."""

import re

from hypothesis import given
from hypothesis import strategies as st

from doorward.model.globs import matches

SMALL = st.text(alphabet="ab*.?[", max_size=8)
TEXT = st.text(alphabet="ab.?[", max_size=12)


@given(SMALL, TEXT)
def test_agrees_with_the_regular_expression_of_its_definition(pattern: str, text: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert matches(pattern, text) == bool(re.fullmatch(expression, text, re.DOTALL))


@given(TEXT)
def test_a_literal_matches_itself_only(text: str) -> None:
    assert matches(text, text)
    assert not matches(text, text + "x")


def test_many_stars_on_a_long_text_end_soon() -> None:
    assert not matches("*a" * 2000 + "b", "a" * 200_000)


def test_is_case_sensitive() -> None:
    assert not matches("Get_*", "get_x")
