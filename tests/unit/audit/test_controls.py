"""The tables of requirements."""

from doorward.audit.controls import COLUMNS, frameworks, rendered


def test_every_requirement_says_what_it_asks_what_shows_it_and_what_does_not() -> None:
    tables = frameworks()
    names = " ".join(table["framework"] for table in tables)
    assert all(name in names for name in ("SOC 2", "HIPAA", "GDPR", "PCI DSS", "EU AI Act"))
    for table in tables:
        for row in table["requirement"]:
            assert set(row) == {"id", "asks", "evidence", "query", "not_covered"}
            assert row["id"]
            assert row["asks"].endswith(".")
            assert row["evidence"].endswith(".")
            assert "=" in row["query"]


def test_they_are_shown_as_one_document() -> None:
    text = rendered(frameworks())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(row.count(" | ") == len(COLUMNS) - 1 for row in rows if not row.startswith("| ---"))
    assert text.count("## ") == len(frameworks())
