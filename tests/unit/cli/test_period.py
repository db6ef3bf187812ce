"""Periods as auditors name them."""

from datetime import UTC, datetime

import pytest

from doorward.cli.period import period_of

NOW = datetime(2026, 8, 15, tzinfo=UTC)


def days(text: str) -> tuple[str, str, str]:
    name, start, end = period_of(text, NOW)
    first, last = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (start, end - 1))
    return name, first.date().isoformat(), last.date().isoformat()


@pytest.mark.parametrize(
    ("text", "name", "first", "last"),
    [
        ("2026q3", "2026q3", "2026-07-01", "2026-09-30"),
        ("2026-Q4", "2026q4", "2026-10-01", "2026-12-31"),
        ("q3", "2026q3", "2026-07-01", "2026-09-30"),
        ("Q4", "2025q4", "2025-10-01", "2025-12-31"),
        ("Q1", "2026q1", "2026-01-01", "2026-03-31"),
        ("2026-02", "2026-02", "2026-02-01", "2026-02-28"),
        ("2025-12..2026-01", "2025-12..2026-01", "2025-12-01", "2026-01-31"),
        ("2024", "2024", "2024-01-01", "2024-12-31"),
    ],
)
def test_a_period_is_from_its_first_day_to_its_last(text: str, name: str, first: str, last: str) -> None:
    assert days(text) == (name, first, last)


@pytest.mark.parametrize("text", ["", "q5", "2026-13", "2026-00", "2026-09..2026-07", "last week", "20266"])
def test_what_is_no_period_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        period_of(text, NOW)
