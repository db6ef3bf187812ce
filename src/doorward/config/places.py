"""From a value back to where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass

from doorward.config.document import Mapping, Node, Scalar, Sequence, Span

Path = tuple[str | int, ...]
"""Keys and list indexes from the root: ("agents", "ci-bot", "tools", "deny", 1)."""


@dataclass(frozen=True, slots=True)
class Place:
    """One value of the document. `key` is None for the root and for list items."""

    key: Span | None
    node: Node

    @property
    def value(self) -> Span:
        return self.node.span

    @property
    def start(self) -> Span:
        """Where a reader would point: at the key, or at the item itself."""
        return self.key or self.node.span


class Places:
    """Every value of one document by its path."""

    def __init__(self, root: Node) -> None:
        self._places = dict(_walk((), None, root))

    def __contains__(self, path: Path) -> bool:
        return path in self._places

    def __iter__(self) -> Iterator[Path]:
        return iter(self._places)

    def at(self, path: Path) -> Place:
        """The place of a path, or of its nearest ancestor that exists."""
        while path not in self._places:
            path = path[:-1]
        return self._places[path]

    def path_at(self, line: int, column: int) -> Path:
        """The innermost value whose text, or whose key, holds a position; the root where none does."""
        found: Path = ()
        for path, place in self._places.items():
            spans = (place.node.span,) if place.key is None else (place.key, place.node.span)
            if len(path) >= len(found) and any(_holds(span, line, column) for span in spans):
                found = path
        return found

    def line(self, path: Path) -> int:
        """Line of the value's key, or of the list item; counts from 1."""
        return self.at(path).start.line

    def written(self, path: Path) -> str | None:
        """A leaf as the file has it, before interpolation: what may be shown. None for anything else."""
        place = self._places.get(path)
        return place.node.text if place and isinstance(place.node, Scalar) else None


def _holds(span: Span, line: int, column: int) -> bool:
    return (span.line, span.column) <= (line, column) < (span.end_line, span.end_column)


def _walk(path: Path, key: Span | None, node: Node) -> Iterator[tuple[Path, Place]]:
    yield path, Place(key, node)
    if isinstance(node, Mapping):
        for name, value in node.entries:
            yield from _walk((*path, name.text), name.span, value)
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _walk((*path, index), None, item)


def dotted(path: Path) -> str:
    """A path in the words of a message: `agents.ci-bot.grants[0].tools.deny[1]`."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else part
    return shown
