"""Identifiers of records and calls."""

import os
import time
from typing import Final

_BLOCK: Final = 256  # ids for which the system is asked for noise at once
_FRACTIONS: Final = tuple(f"{n:03x}" for n in range(4096))
_MS: Final = 1_000_000  # nanoseconds


def uuid7() -> str:
    """A UUIDv7 (RFC 9562 section 5.7) that sorts by time to a quarter of a microsecond; 60 random bits."""
    noise = os.urandom(8).hex()
    return f"{_stamp()}-8{noise[:3]}-{noise[4:]}"


class CallIds:
    """UUIDv7s as `uuid7` makes them at a fraction of the price: noise comes by the block, and the time is
    written once in a millisecond.

    One per part of a process that serves: a forked child would repeat what its parent has in store.
    """

    __slots__ = ("_millisecond", "_noise", "_prefix")

    def __init__(self) -> None:
        self._noise: list[str] = []
        self._millisecond = -1
        self._prefix = ""
        """Everything up to the fraction of that millisecond."""

    def mint(self) -> str:
        """An id that nobody has had before."""
        millisecond, rest = divmod(time.time_ns(), _MS)
        if millisecond != self._millisecond:
            self._turn(millisecond)
        if not self._noise:
            self._noise = _tails()
        return self._prefix + _FRACTIONS[(rest << 12) // _MS] + self._noise.pop()

    def later(self, earlier: str) -> str:
        """Another UUIDv7 with the random part of `earlier`: cheaper, and as unique, since time has moved."""
        millisecond, rest = divmod(time.time_ns(), _MS)
        if millisecond != self._millisecond:
            self._turn(millisecond)
        return self._prefix + _FRACTIONS[(rest << 12) // _MS] + earlier[18:]

    def _turn(self, millisecond: int) -> None:
        digits = f"{millisecond:012x}"
        self._millisecond, self._prefix = millisecond, f"{digits[:8]}-{digits[8:]}-7"


def _tails() -> list[str]:
    noise = os.urandom(8 * _BLOCK).hex()
    return [f"-8{noise[at : at + 3]}-{noise[at + 4 : at + 16]}" for at in range(0, 16 * _BLOCK, 16)]


def _stamp() -> str:
    # RFC 9562 section 6.2, method 3: rand_a holds twelve bits of the fraction of the millisecond.
    digits = f"{(time.time_ns() << 12) // _MS:015x}"
    return f"{digits[:8]}-{digits[8:12]}-7{digits[12:]}"
