import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.api import pages
from doorward.api.route import Page


@given(st.lists(st.text(min_size=1), unique=True), st.integers(min_value=1, max_value=1000))
def test_pages_are_the_list(rows: list[str], limit: int) -> None:
    found: list[str] = []
    cursor = None
    while True:
        page, cursor = pages.cut(rows, Page(limit=limit, cursor=cursor), lambda row: row)
        assert len(page) <= limit
        found += page
        if cursor is None:
            break
    assert found == rows


@given(st.text())
def test_a_cursor_is_one_of_ours_or_refused(text: str) -> None:
    said = None
    try:
        assert isinstance(pages.read(text, str), str)
    except ValueError as error:
        said = str(error)
    assert said in {None, "cursor: begin again without one"}


def test_what_was_written_is_read() -> None:
    assert pages.read(pages.write(("crm", "find ü")), tuple[str, str]) == ("crm", "find ü")
    with pytest.raises(ValueError, match="cursor"):
        pages.read(pages.write(1), str)
