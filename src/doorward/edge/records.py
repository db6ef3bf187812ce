"""Where TLS records begin and end: their headers are in clear. No I/O, no cryptography.

OpenSSL reads on through records that carry no content, such as key updates, however many there are, and one
of them costs as much as decrypting 100 KB. So it is fed a counted number of records at a time.
"""

from typing import Final

_HEADER: Final = 5
"""Bytes of a record's header: type, version, and the length of what follows in two bytes (RFC 8446 section
5.1)."""


class Records:
    """The ciphertext of one direction of one connection, cut after whole records where it has to be cut."""

    __slots__ = ("_missing", "_waiting")

    def __init__(self) -> None:
        self._waiting = b""
        self._missing = 0
        """Bytes of the record whose beginning was taken that were not."""

    def __len__(self) -> int:
        """Bytes that wait."""
        return len(self._waiting)

    def is_one(self, data: bytes) -> bool:
        """Whether `data` is exactly one record: the usual case, which needs no cutting and is not to be
        added."""
        return (
            len(data) > _HEADER
            and data[3] << 8 | data[4] == len(data) - _HEADER
            and not self._missing
            and not self._waiting
        )

    def add(self, data: bytes) -> None:
        """What came next."""
        self._waiting = self._waiting + data if self._waiting else data

    def take(self, most: int) -> tuple[bytes, int]:
        """Bytes to feed, and how many records they complete: at most `most`. Nothing when there is no more
        than a part of a header."""
        data, at, complete = self._waiting, self._missing, 0
        end = len(data)
        if at:
            complete = at <= end
        while complete < most and at + _HEADER <= end:
            at += _HEADER + (data[at + 3] << 8 | data[at + 4])
            complete += at <= end
        taken = min(at, end)
        self._missing = at - taken
        self._waiting = data[taken:]
        return data[:taken], complete
