"""docs/reference/audit-cli.md names every field, column and form that there is, and no other."""

import re
from pathlib import Path

from doorward.app.queries import FORMS
from doorward.audit.filters import ALIASES, BOUNDS, FIELDS
from doorward.audit.tabular import COLUMNS
from doorward.audit.tabular import FIELDS as SHORT
from doorward.cli import asking

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/audit-cli.md").read_text(encoding="utf-8")


def names(text: str) -> list[str]:
    return re.findall(r"`([a-z_]+)`", text)


def test_every_field_of_the_language_is_explained() -> None:
    table = PAGE.partition("| field | what it is |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert len(cells) > 25
    assert {name for cell in cells for name in names(cell)} == set(FIELDS) - set(BOUNDS)
    assert all(f"`{name}" in PAGE for name in (*ALIASES, *BOUNDS))


def test_every_column_and_form_is_named() -> None:
    columns = PAGE.partition("Columns of the CSV form")[2].partition("\n\nCells")[0]
    assert names(columns) == list(COLUMNS)
    forms = PAGE.partition("| `--format` | one line is |")[2].partition("\n\n")[0]
    rows = {line.split("|")[1].strip(" `"): line for line in forms.splitlines()[2:]}
    assert list(rows) == list(FORMS) == list(asking.FORMS)
    assert [name for name in names(rows["fields"])[1:] if name in SHORT] == list(SHORT)
