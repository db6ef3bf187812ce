"""Server-sent events (WHATWG HTML section 9.2, "Server-sent events") as MCP uses them, both ways."""

from typing import Final

import msgspec

from doorward.wire.errors import WireError

COMMENT: Final = b":\n\n"
"""Keeps a silent stream alive; every parser ignores it."""
_JOINED: Final = 1024  # lines: an event of a million would be joined in one long step
_BOM: Final = b"\xef\xbb\xbf"


class EventTooLarge(WireError):
    """An event that exceeds the size limit."""


class SseEvent(msgspec.Struct, frozen=True):
    """One dispatched event. MCP puts one JSON-RPC message into `data`; a priming event (2025-11-25) has
    none."""

    data: bytes
    event: str = "message"
    id: str | None = None
    """Of this very event; None when it has no id field."""
    retry: int | None = None
    """Milliseconds, when this event has the field."""


class SseParser:
    """Bytes in, in pieces of any size; events out. Not to be used further once it has raised."""

    __slots__ = (
        "_after_cr",
        "_data",
        "_earlier",
        "_event",
        "_first",
        "_id",
        "_limit",
        "_partial",
        "_retry",
        "_size",
        "last_id",
        "retry",
    )

    def __init__(self, max_event_bytes: int) -> None:
        self._limit = max_event_bytes
        self._partial: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._first = True
        self._data: list[bytes] = []
        self._earlier: list[bytes] = []
        """Lines before those in `_data`, joined."""
        self._event = ""
        self._id: str | None = None
        self._retry: int | None = None
        self.last_id: str | None = None
        """For `Last-Event-ID` of a resuming GET."""
        self.retry: int | None = None
        """Milliseconds to wait before that GET, as the stream last said."""

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that these bytes completed.

        Raises WireError once the bytes of one event, its unfinished line included, exceed the limit. A line
        takes a third of a microsecond.
        """
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        events: list[SseEvent] = []
        lines = data.splitlines(keepends=True)
        if not lines:
            return events
        self._after_cr = lines[-1].endswith(b"\r")
        if not lines[-1].endswith((b"\n", b"\r")):
            rest = lines.pop()
        else:
            rest = b""
        for line in lines:
            self._grow(line)
            whole = self._whole(line)
            if whole.startswith(b":"):
                self._size -= len(whole)  # an endless stream of comments is a quiet stream, not a large event
            elif whole.startswith(b"data:"):
                # Copied once: a line may have megabytes.
                start, end = 5 + (whole[5:6] == b" "), -2 if whole.endswith(b"\r\n") else -1
                self._add(whole[start:end])
            else:
                self._line(whole.rstrip(b"\r\n"), events)
        if rest:
            self._grow(rest)
            self._partial.append(rest)
        return events

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise EventTooLarge("an event exceeds the size limit")

    def _whole(self, line: bytes) -> bytes:
        """The line with what came of it before, without a byte order mark at the very start of the stream."""
        if self._partial:
            line = b"".join((*self._partial, line))
            self._partial.clear()
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        return line

    def _line(self, line: bytes, events: list[SseEvent]) -> None:
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":  # without a colon
                self._add(value)
            case b"event":
                self._event = _text(value)
            case b"id" if b"\0" not in value:
                self._id = _text(value)
            case b"retry" if value.isdigit() and len(value) <= 9:
                self._retry = self.retry = int(value)

    def _add(self, data: bytes) -> None:
        self._data.append(data)
        if len(self._data) >= _JOINED:
            self._earlier.append(b"\n".join(self._data))
            self._data.clear()

    def _dispatch(self, events: list[SseEvent]) -> None:
        if self._id is not None:
            self.last_id = self._id  # not before: an event that was cut off is to come again
        if self._data or self._earlier:
            data = b"\n".join((*self._earlier, *self._data))
            self._earlier.clear()
            events.append(SseEvent(data, self._event or "message", self._id, self._retry))
        self._data = []
        self._event = ""
        self._id = self._retry = None
        self._size = 0


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise WireError("an event field is not UTF-8") from None


def encode_event(data: bytes, *, id: str | None = None, event: str | None = None) -> bytes:  # noqa: A002 - the field's name
    """One event. Line ends in `data`, which JSON allows between tokens, become further data lines.

    Raises ValueError for an id or event name that would end its own line.
    """
    head = b""
    for name, value in (("id", id), ("event", event)):
        if value is not None:
            if not value.isprintable():
                raise ValueError(f"the {name} of an event must be printable")
            head += f"{name}: {value}\n".encode()
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.splitlines())
    return b"%bdata: %b\n\n" % (head, data)
