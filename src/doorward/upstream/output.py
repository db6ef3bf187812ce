"""What a child process writes: lines of its standard output, the end of its standard error.

Promises: a child that writes without end costs bounded memory and a bounded share of our time.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, cast

BURST: Final = 64
"""Lines at a time; after so many, others have their turn."""
REST_S: Final = 0.001
"""How long a child waits, at least, that wrote so many and hardly one that answers anything; or as long as it
has kept us."""
TAIL: Final = 64 * 1024
FLOOD: Final = 32 * 1024
"""Bytes of stderr at a time by which one who floods it is known; people write less."""
FLOOD_REST_S: Final = 0.01


class Lines(asyncio.Protocol):
    """`on_line` gets each line that is not empty, without its end, and says whether it was asked for.
    `on_end`: no more will come."""

    def __init__(
        self,
        limit: int,
        on_line: Callable[[bytes], bool],
        too_long: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._limit = limit
        self._on_line = on_line
        self._too_long = too_long
        self._on_end = on_end
        self._rest = bytearray()
        self._waiting: deque[bytes] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._over = False
        self._loop = asyncio.get_running_loop()
        self.spoke = False
        """Set by every byte, for who wants to know whether any came since they unset it."""

    def close(self) -> None:
        """Whatever else comes, nobody hears of it."""
        self._over = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def flush(self) -> None:
        """What waits is delivered now: the child has gone and there is no more where it came from."""
        while self._waiting and not self._over:
            self._on_line(self._waiting.popleft())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.flush()
        if not self._over:
            self._on_end()

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self.spoke = True
        first = data.find(b"\n")
        if first == len(data) - 1 and not self._rest and not self._waiting and first <= self._limit:
            if first:
                self._on_line(data[:first])  # the usual way: one message, one write, one read
        elif first < 0:
            self._rest += data
            self._check(0)
        else:
            self._cut(data, first)

    def _cut(self, data: bytes, first: int) -> None:
        if self._rest:
            head = bytes(self._rest + data[:first])
            lines = [head, *data[first + 1 :].split(b"\n")]
        else:
            lines = data.split(b"\n")
        self._rest = bytearray(lines.pop())
        self._waiting.extend(line for line in lines if line)
        self._check(max(map(len, lines)))
        if self._timer is None:
            self._deliver()

    def _check(self, longest: int) -> None:
        if longest > self._limit or len(self._rest) > self._limit:
            self._rest.clear()
            self.close()
            self._too_long()

    def _deliver(self) -> None:
        began = self._loop.time()
        self._timer = None
        waiting = self._waiting
        wanted = 0
        for _ in range(min(len(waiting), BURST)):
            if not waiting:
                return  # closed by what a line said
            wanted += self._on_line(waiting.popleft())
        if self._over or self._transport is None:
            return
        if waiting:
            self._transport.pause_reading()
            rest = 0.0 if wanted > BURST // 2 else max(self._loop.time() - began, REST_S)
            self._timer = self._loop.call_later(rest, self._deliver)
        elif not self._transport.is_closing():
            self._transport.resume_reading()


class Tail(asyncio.Protocol):
    """Keeps the last 64 KiB."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._transport: asyncio.ReadTransport | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace").strip()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._kept += data
        del self._kept[:-TAIL]
        if len(data) >= FLOOD and self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(FLOOD_REST_S, self._resume)

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
