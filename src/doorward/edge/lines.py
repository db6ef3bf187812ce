"""Newline-delimited messages out of bytes (MCP transports, "stdio"). No I/O."""

from collections.abc import Iterator


class LineReader:
    """Cuts a byte stream into lines of at most `max_line` bytes, and stays in step when one is longer."""

    __slots__ = ("_buffer", "_max_line", "_searched", "_skipping")

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line
        self._buffer = bytearray()
        self._searched = 0
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Each line that `data` completes, without its line end; None, once, for each that was too long.

        Blank lines are left out. The iterator must be used up before the next call.
        """
        self._buffer += data
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._searched = 0
            if self._skipping:
                self._skipping = False
            elif len(line) > self._max_line:
                yield None
            elif line.strip():
                yield line.removesuffix(b"\r")
        if self._skipping:
            self._buffer.clear()
        elif len(self._buffer) > self._max_line:
            self._skipping = True
            self._buffer.clear()
            yield None
        self._searched = len(self._buffer)

    def end(self) -> bytes | None:
        """What stands after the last line end. A JSON object says itself whether it is whole."""
        line = bytes(self._buffer).strip()
        self._buffer.clear()
        return line or None
