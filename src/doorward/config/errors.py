"""What is wrong with a document, where, and what was probably meant: all of it at once."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. `line` and `column` count from 1; line 0 means the file as a whole."""

    file: str
    line: int
    column: int
    message: str
    source_line: str | None = None
    """The line as it stands in the file, with literal secrets already masked."""
    hint: str | None = None
    path: str | None = None
    """Where in the document: `agents.ci-bot.grants[0].tools`; None where that cannot be said."""
    severity: Literal["error", "warning"] = "error"
    """A warning keeps nothing from being served but what it is about."""

    def render(self) -> str:
        """`file:line:column: message` (`warning: ` before it), the source line, a caret under the column, and
        the hint."""
        where = self.file if self.line == 0 else f"{self.file}:{self.line}:{self.column}"
        shown = [f"{where}: {'warning: ' if self.severity == 'warning' else ''}{self.message}"]
        if self.source_line is not None and self.line:
            before = _printable(self.source_line[: self.column - 1])
            shown += [f"  {_printable(self.source_line)}", f"  {' ' * _width(before)}^"]
        if self.hint is not None:
            shown.append(f"  {self.hint}")
        return "\n".join(shown)

    def as_json(self) -> dict[str, str | int | None]:
        """The same for machines."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
        }


class ConfigError(Exception):
    """The document cannot be used. `problems` is never empty and sorted by position."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = set(problems)
        self.problems = sorted(unique, key=lambda p: (p.file, p.line, p.column, p.message, p.hint or ""))
        super().__init__(self.render())

    def render(self) -> str:
        """Every problem, one block each."""
        return "\n".join(problem.render() for problem in self.problems)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A question naming the closest known word, or None when nothing is close."""
    close = get_close_matches(word.lower(), sorted(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None


def _printable(text: str) -> str:
    """Nothing that moves a terminal's cursor: the file may be somebody else's."""
    return "".join(char if char.isprintable() else " " if char == "\t" else "?" for char in text)


def _width(text: str) -> int:
    """Terminal columns, so that the caret stands under the character (Unicode TR11)."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
