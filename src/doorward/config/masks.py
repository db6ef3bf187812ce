"""Source lines fit for a terminal or a log: literal secrets are covered, references to them are not."""

import re
from collections.abc import Iterator
from typing import Final

from doorward.config.document import Scalar, Span
from doorward.config.places import Path, Places

_REFERENCE: Final = re.compile(r"\$\{[a-z]*:[\w./-]*\}?")
_USER: Final = re.compile(r"(?<=://)[^\s\"']+(?=@)")
_TELLING: Final = re.compile(r"bearer|token|secret|passw|api.?key|authorization|credential", re.IGNORECASE)
_TELLING_LINE: Final = re.compile(rf"(.*?(?:{_TELLING.pattern})[^:]*:\s*)(.+)", re.IGNORECASE)


def mask(lines: tuple[str, ...], places: Places) -> tuple[str, ...]:
    """Lines with the characters of each secret value replaced one for one, so that columns stay true."""
    shown = list(lines)
    for span in _secret_spans(places):
        for line in range(span.line, min(span.end_line, len(lines)) + 1):
            text = shown[line - 1]
            start = span.column - 1 if line == span.line else 0
            end = span.end_column - 1 if line == span.end_line else len(text)
            shown[line - 1] = text[:start] + _covered(text[start:end]) + text[end:]
    return tuple(_USER.sub(_stars, line) for line in shown)


def mask_unparsed(line: str) -> str:
    """The same for a line of a text that is no YAML, by the look of it."""
    found = _TELLING_LINE.fullmatch(line)
    return _USER.sub(_stars, found[1] + _covered(found[2]) if found else line)


def _covered(text: str) -> str:
    """Stars for everything but references: their names are no secret, their defaults may be."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[0] + _covered(text[1:-1]) + text[-1]
    covered, at = "", 0
    for reference in _REFERENCE.finditer(text):
        covered += "*" * (reference.start() - at) + reference.group()
        at = reference.end()
    return covered + "*" * (len(text) - at)


def _stars(found: re.Match[str]) -> str:
    return "*" * len(found.group())


def _secret_spans(places: Places) -> Iterator[Span]:
    for path in places:
        node = places.at(path).node
        if isinstance(node, Scalar) and _is_secret(path):
            yield node.span


def _is_secret(path: Path) -> bool:
    if len(path) > 3 and path[0] == "servers" and path[2] in {"auth", "env"}:
        return True
    return path != ("gateway", "secrets") and any(
        isinstance(part, str) and _TELLING.search(part) for part in path
    )
