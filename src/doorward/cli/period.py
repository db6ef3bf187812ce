"""Periods as auditors name them."""

import re
from datetime import UTC, datetime
from typing import Final

_QUARTER: Final = re.compile(r"(?:(\d{4})-?)?q([1-4])", re.IGNORECASE)
_MONTHS: Final = re.compile(r"(\d{4})-(\d{2})(?:\.\.(\d{4})-(\d{2}))?")
_YEAR: Final = re.compile(r"\d{4}")


def period_of(text: str, now: datetime) -> tuple[str, int, int]:
    """Its full name, its start, and where it is over, in milliseconds since 1970 (UTC).

    A quarter without a year is the latest that has begun. Raises ValueError.
    """
    text = text.strip()
    if quarter := _QUARTER.fullmatch(text):
        number = int(quarter[2])
        begun = (number - 1) * 3 + 1 <= now.month
        year = int(quarter[1]) if quarter[1] else now.year - (not begun)
        first = (number - 1) * 3 + 1
        return f"{year}q{number}", _ms(year, first), _ms(year, first + 3)
    if months := _MONTHS.fullmatch(text):
        start = _ms(int(months[1]), int(months[2]))
        year, month = int(months[3] or months[1]), int(months[4] or months[2])
        end = _ms(year, month + 1)
        if not 1 <= month <= 12 or end <= start:
            raise ValueError(f"{text} is no span of months")
        return text, start, end
    if _YEAR.fullmatch(text):
        return text, _ms(int(text), 1), _ms(int(text) + 1, 1)
    raise ValueError(f"{text!r} is no quarter, month, span of months or year")


def _ms(year: int, month: int) -> int:
    """The start of a month; the 13th is the first of the next year. Raises ValueError."""
    year, month = (year + 1, 1) if month == 13 else (year, month)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)
