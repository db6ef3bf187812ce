"""docs/reference/methods.md has a row for each method, with its revisions and what happens in each cell."""

import re
from pathlib import Path

from doorward.wire import methods

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/methods.md").read_text(encoding="utf-8")
SHORT = {"2024-11-05": "24", "2025-03-26": "03", "2025-06-18": "06", "2025-11-25": "11", "2026-07-28": "26"}
ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in PAGE.splitlines()
    if line.startswith("| `")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}


def revisions(method: str) -> list[str]:
    return [
        short
        for version, short in SHORT.items()
        if method in methods.TABLES[version] or (short == "26" and method in methods.INPUT_REQUESTS)
    ]


def test_each_method_has_its_row_with_its_revisions() -> None:
    known = {name for table in methods.TABLES.values() for name in table} | methods.INPUT_REQUESTS
    assert ROWS.keys() == known
    assert {name: row[0].split() for name, row in ROWS.items()} == {name: revisions(name) for name in known}


def test_each_cell_says_what_happens_where_the_client_has_the_method() -> None:
    for name, (said, same, down, up) in ROWS.items():
        legacy, modern = said != "26", said.endswith("26")
        assert len(same) > 3, name
        assert (down != "-") is legacy, name
        assert (up != "-") is modern, name


def test_what_is_not_offered_is_named() -> None:
    last = PAGE.partition("## Not offered")[2]
    assert {name for names in methods.NOT_OFFERED.values() for name in names} == set(
        re.findall(r"`([^`]+)`", last)
    )


def test_the_page_says_where_it_is_shown() -> None:
    assert "tests/e2e/test_methods.py::test_every_method" in PAGE
    assert "async def test_every_method(" in (ROOT / "tests/e2e/test_methods.py").read_text(encoding="utf-8")
