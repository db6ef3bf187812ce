"""YAML text as a tree in which every key and value knows its line and column.

The tree is built from parser events, not by a constructor: that keeps positions exact and leaves out what a
configuration has no use for and an attacker has (aliases that expand without bound, tags, several documents).
Values follow the YAML 1.2.2 core schema (`scalars.py`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from doorward.config import scalars
from doorward.config.scalars import ScalarValue

MAX_CHARS: Final = 1 << 20
MAX_DEPTH: Final = 32
_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what the parser counts as one line
_DIRECTIVE: Final = re.compile("(?:^|[\n\r\x85\u2028\u2029])%")
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Span:
    """From the first character to the one after the last, counted from 1."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One leaf. `value` is typed for plain scalars and text for quoted ones."""

    value: ScalarValue
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    items: "tuple[Node, ...]"
    span: Span


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: "tuple[tuple[Scalar, Node], ...]"
    """In file order; keys are text and unique."""
    span: Span


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at a place of the text."""

    line: int
    column: int
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """`root` is None when the text is no YAML at all; then there is exactly one fault."""

    root: Node | None
    lines: tuple[str, ...]
    faults: tuple[Fault, ...]


class _Stop(Exception):
    """Parsing cannot go on."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def compose(text: str) -> Document:
    """The tree of a text. Never raises: what is wrong stands in `faults`."""
    lines = tuple(_BREAK.split(text))
    builder = _Builder()
    try:
        _refuse_before_parsing(text)
        root = builder.document(_events(text))
    except _Stop as stop:
        return Document(None, lines, (*builder.faults, stop.fault))
    return Document(root, lines, tuple(builder.faults))


def _refuse_before_parsing(text: str) -> None:
    if len(text) > MAX_CHARS:
        raise _Stop(Fault(0, 0, f"the file is larger than {MAX_CHARS} characters"))
    if directive := _DIRECTIVE.search(text):
        line = 1 + len(_BREAK.findall(text[: directive.end()]))
        raise _Stop(Fault(line, 1, "directives are not accepted", "remove this line: the file is YAML 1.2"))


def _events(text: str) -> Iterator[Event]:
    """Parser events; every way in which the parser gives up becomes one _Stop."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _Stop(_syntax_fault(error, mark.line + 1, mark.column + 1)) from None
    except ReaderError as error:
        before = _BREAK.split(text[: error.position])
        message = f"character U+{error.character:04X} is not allowed"
        raise _Stop(Fault(len(before), len(before[-1]) + 1, message)) from None
    except (ValueError, OverflowError):
        # The scanner passes an escape such as "\\UFFFFFFFF" to chr() unchecked, without a place.
        raise _Stop(Fault(0, 0, "an escape in a quoted text names no Unicode character")) from None


def _syntax_fault(error: MarkedYAMLError, line: int, column: int) -> Fault:
    problem = str(error.problem or error.context or "this is not YAML")
    if "'\\t'" in problem:
        return Fault(line, column, "a tab cannot indent", "use spaces")
    if error.context == "while scanning a quoted scalar" and error.context_mark:
        opened = error.context_mark
        return Fault(opened.line + 1, opened.column + 1, "this quoted text is not closed")
    if error.context and error.problem and error.context_mark:
        started = error.context_mark.line + 1
        return Fault(line, column, f"{error.problem} ({error.context}, which starts in line {started})")
    return Fault(line, column, problem)


class _Builder:
    """Reads one node at a time from the events; remembers faults that leave a usable tree."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def document(self, events: Iterator[Event]) -> Node | None:
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    place = event.start_mark
                    raise _Stop(
                        Fault(place.line + 1, 1, "there is a second document", "one file, one document")
                    )
                root = self.node(next(events), events, 0)
            elif isinstance(event, StreamStartEvent):
                continue
        return root

    def node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        span = _span(event)
        if depth > MAX_DEPTH:
            raise _Stop(Fault(span.line, span.column, f"nested deeper than {MAX_DEPTH} levels"))
        if isinstance(event, AliasEvent):
            self.fault(span, "aliases are not accepted", "write the value out")
            return Scalar(None, "", span)
        self.refuse_decoration(event, span)
        if isinstance(event, ScalarEvent):
            return self.scalar(event, span)
        if isinstance(event, SequenceStartEvent):
            return Sequence(tuple(self.items(events, depth)), span)
        return Mapping(tuple(self.entries(events, depth)), span)

    def items(self, events: Iterator[Event], depth: int) -> Iterator[Node]:
        for event in events:
            if isinstance(event, SequenceEndEvent):
                return
            yield self.node(event, events, depth + 1)

    def entries(self, events: Iterator[Event], depth: int) -> Iterator[tuple[Scalar, Node]]:
        seen: dict[str, Span] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                return
            key = self.key(self.node(event, events, depth + 1))
            value = self.node(next(events), events, depth + 1)
            if key is None:
                continue
            if key.text in seen:
                first = seen[key.text].line
                self.fault(key.span, f'key "{key.text}" is already in line {first}', "keep one of them")
                continue
            seen[key.text] = key.span
            yield key, value

    def key(self, node: Node) -> Scalar | None:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            if "${" in node.text:
                self.fault(node.span, "keys are not interpolated", "write the name out")
            return node
        if isinstance(node, Scalar):
            hint = f'quote it: "{node.text}"' if node.text else None
            self.fault(node.span, f"a key must be text, this is {scalars.kind(node.value)}", hint)
        else:
            self.fault(node.span, f"a key must be text, this is {_kind(node)}")
        return None

    def scalar(self, event: ScalarEvent, span: Span) -> Scalar:
        text = str(event.value)
        if _FORBIDDEN.search(text):
            self.fault(span, "this text contains a control character or half a surrogate pair")
            return Scalar("", "", span)
        if event.style is not None:
            return Scalar(text, text, span)
        try:
            return Scalar(scalars.plain(text), text, span)
        except ValueError as error:
            self.fault(span, str(error))
            return Scalar(None, text, span)

    def refuse_decoration(self, event: Event, span: Span) -> None:
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self.fault(span, "anchors are not accepted", "write the value out where it is needed")
        elif getattr(event, "ctag", None) is not None:
            self.fault(span, "tags are not accepted", "quote a value to make it text")

    def fault(self, span: Span, message: str, hint: str | None = None) -> None:
        self.faults.append(Fault(span.line, span.column, message, hint))


def _span(event: Event) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _kind(node: Node) -> str:
    return "a list" if isinstance(node, Sequence) else "a mapping"
