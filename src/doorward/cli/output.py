"""Where a command's words go: people read stdout, or stderr when a program reads JSON from stdout."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from doorward.cli.exit import CommandError

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


class Output:
    """One command's output."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._people = sys.stderr if as_json else sys.stdout
        # https://no-color.org: any non-empty value switches colours off.
        self._color = self._people.isatty() and not os.environ.get("NO_COLOR")

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Output":
        return cls(as_json=bool(getattr(args, "json", False)))

    def say(self, line: str = "") -> None:
        """A line for people."""
        print(line, file=self._people)

    def result(self, thing: str, members: Mapping[str, Any]) -> None:
        """The answer for programs: one object, on one line; nothing without --json."""
        if self.as_json:
            print(json.dumps({"schema": f"doorward.{thing}/v1", **members}, ensure_ascii=False))

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Columns as wide as their widest cell."""
        cells = [tuple(printable(cell) for cell in row) for row in rows]
        widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
        self.say(self.style("dim", _columns(header, widths)))
        for row in cells:
            self.say(_columns(row, widths))

    def style(self, name: str, text: str) -> str:
        """The text in a style, where a terminal shows it."""
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if self._color else text


def report(error: CommandError, *, as_json: bool) -> None:
    """An error: words on stderr, and the object a program waits for on stdout."""
    if as_json:
        body = {"code": int(error.exit_code), "name": error.exit_code.name.lower(), "message": error.message}
        if error.hint:
            body["hint"] = error.hint
        print(
            json.dumps({"schema": "doorward.error/v1", "error": {**body, **error.data}}, ensure_ascii=False)
        )
    print(error.message, file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)


def printable(text: str) -> str:
    """Text of servers and files without what moves a terminal's cursor."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def _columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
