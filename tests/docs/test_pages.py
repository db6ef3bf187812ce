"""Pages name only what exists: links, tests, and every part of the tree that the map should show."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_threat_that_is_met_names_a_test_that_exists() -> None:
    met, _, still_open = (ROOT / "THREATS.md").read_text(encoding="utf-8").partition("## Open")
    rows = [line for line in met.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 10
    assert still_open.count("\n|") > 3
    for row in rows:
        shown = re.findall(r"`(tests/[^`]+)`", row)
        assert shown, row
        assert [path for path in shown if not (ROOT / path).exists()] == []


def test_the_map_names_every_room() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {init.parent.name for init in (ROOT / "src" / "doorward").glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}/`" not in table} == set()


def test_decisions_are_numbered_once_each_and_the_map_lists_them() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    titles = [page.read_text(encoding="utf-8").partition("\n")[0] for page in pages]
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    assert [int(title.removeprefix("# ").partition(".")[0]) for title in titles] == list(
        range(1, len(pages) + 1)
    )
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Decisions")[2]
    assert [page.name for page in pages if f"(adr/{page.name})" not in table] == []


def test_every_runtime_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = project.partition("\ndependencies = [")[2].partition("]")[0]
    names = re.findall(r'"([A-Za-z0-9_.-]+)', block)
    assert len(names) > 5
    assert [name for name in names if f"`{name}`" not in reasons] == []
