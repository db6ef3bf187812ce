"""How the story looks: 88 columns at most, colours only on a terminal (https://no-color.org)."""

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

WIDTH: Final = 88
_INDENT: Final = 5
_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}


def styled(name: str, text: str) -> str:
    """`text` in a style, where stdout shows it."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m"
    return text


def say(text: str = "") -> None:
    """One line, at once: whoever watches should not wait for a buffer."""
    print(text, flush=True)


def heading(number: int, text: str) -> None:
    """Opens a scene."""
    say()
    say(f" {styled('bold', f'{number}  {text}')}")


def words(text: str) -> None:
    """Plain sentences, wrapped."""
    for line in textwrap.wrap(text, WIDTH - _INDENT):
        say(" " * _INDENT + styled("dim", line))


def asked(who: str, what: str) -> None:
    """What an agent does."""
    say(f"{'':{_INDENT}}{styled('cyan', who.ljust(8))} → {printable(what)}")


def answered(what: str, style: str = "green") -> None:
    """What came back, below `asked`."""
    lead = " " * (_INDENT + 9)
    lines = textwrap.wrap(printable(what), WIDTH - len(lead) - 2, break_on_hyphens=False) or [""]
    for mark, line in zip(["←", *[" "] * len(lines)], lines, strict=False):
        say(f"{lead}{mark} {styled(style, line)}")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell."""
    cells = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for row, style in [(tuple(header), "dim"), *((row, "") for row in cells)]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        say(" " * _INDENT + (styled(style, line) if style else line))


def verdict(text: str, *, good: bool) -> None:
    """Closes a scene."""
    mark, style = ("✓", "green") if good else ("✗", "red")
    say(f"{'':{_INDENT}}{styled(style, f'{mark} {text}')}")


def printable(text: str) -> str:
    """What servers say, without what moves a cursor."""
    return "".join(char if char.isprintable() else " " for char in text)
