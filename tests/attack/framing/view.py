"""What one parser makes of the bytes of one connection, in a form in which two can be compared."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """Where the parser stands when no more bytes come."""

    OPEN = "open"
    """Between messages: nothing is left over."""
    PARTIAL = "partial"
    """In a message that is not whole."""
    CLOSED = "closed"
    """By the meaning of a message (Connection: close): whatever follows is not looked at."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Message:
    """`start` is method, target and version of a request, the status of a response."""

    start: tuple[bytes, ...]
    fields: tuple[tuple[bytes, bytes], ...]
    """Sorted, lower-case names; repeated ones joined with b", "."""
    body: bytes

    def field(self, name: bytes) -> bytes | None:
        return dict(self.fields).get(name)


@dataclass(frozen=True)
class View:
    """The messages that were handed over whole, and how it ended."""

    messages: tuple[Message, ...]
    end: End
    why: str = ""
    """In the parser's own words, for a person."""


def fields(pairs: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Fields as `Message` has them."""
    joined: dict[bytes, bytes] = {}
    for name, value in pairs:
        lower, plain = name.lower(), value.strip(b" \t")
        joined[lower] = joined[lower] + b", " + plain if lower in joined else plain
    return tuple(sorted((name, value.strip(b" \t")) for name, value in joined.items()))


def last(pairs: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Fields of an answer: of repeated ones the last counts, as it does in our upstream leg."""
    found = {name.lower(): value.strip(b" \t") for name, value in pairs}
    if b"transfer-encoding" in found:
        found[b"transfer-encoding"] = found[b"transfer-encoding"].lower()
    return tuple(sorted(found.items()))


def difference(ours: View, theirs: View) -> str | None:
    """How a peer understands otherwise what we accepted, in a few words; None when it does not.

    What we refused is nobody's concern any more: the connection is closed behind it. Nor is what a peer
    refuses of a message that is not whole: we hand over nothing of it before its end, which has a time-out.
    """
    for number, (mine, other) in enumerate(zip(ours.messages, theirs.messages, strict=False)):
        if mine.start != other.start:
            return f"start of message {number}: {mine.start} / {other.start}"
        if mine.body != other.body:
            return f"body of message {number}: {mine.body!r} / {other.body!r}"
        if mine.fields != other.fields:
            only = sorted(set(mine.fields) ^ set(other.fields))
            return f"fields of message {number}: {only}"
    if len(theirs.messages) < len(ours.messages):
        return f"{theirs.end} before message {len(theirs.messages)} {theirs.why}".strip()
    if ours.end in (End.REFUSED, End.CLOSED):
        return None
    if len(theirs.messages) > len(ours.messages):
        return f"one message more than ours, which is {ours.end}"
    waiting = ours.end is End.PARTIAL and theirs.end is End.REFUSED
    if theirs.end is not ours.end and not waiting:
        return f"ends {theirs.end}, ours {ours.end} {theirs.why}".strip()
    return None
