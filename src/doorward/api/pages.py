"""Lists in pages. A cursor says after which item the next page begins; callers repeat it and read nothing
in it."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from doorward.api.route import MAX_LIMIT, Page

T = TypeVar("T")


def cut(rows: Sequence[T], page: Page, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The rows of a page, and the cursor of the next one; None for the last. `key`: unique, never changes.

    Raises ValueError.
    """
    limit = checked(page.limit)
    start = 0
    if page.cursor is not None:
        after = read(page.cursor, str)
        at = next((index for index, row in enumerate(rows) if key(row) == after), None)
        if at is None:
            raise ValueError("cursor: begin again without one")
        start = at + 1
    found = list(rows[start : start + limit])
    more = start + limit < len(rows)
    return found, write(key(found[-1])) if more else None


def rested(rows: Iterable[T], rest: Callable[[], None]) -> Iterator[T]:
    """The same, with a chance to rest before each."""
    for row in rows:
        rest()
        yield row


def checked(limit: int) -> int:
    """Raises ValueError."""
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit: from 1 to {MAX_LIMIT}")
    return limit


def write(after: object) -> str:
    """A cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(after)).decode().rstrip("=")


def read(cursor: str, kind: type[T]) -> T:
    """Raises ValueError."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(text, type=kind)
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise ValueError("cursor: begin again without one") from None
