"""Lines in, lines out, with pipes made of queues."""

import asyncio
from typing import Any

import pytest

from doorward.edge.stdio import StdioEdge

pytestmark = pytest.mark.asyncio


class Input:
    """What the client sends; `None` is the end."""

    def __init__(self, *pieces: bytes | None) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for piece in pieces:
            self._queue.put_nowait(piece)

    def send(self, piece: bytes | None) -> None:
        self._queue.put_nowait(piece)

    async def read(self, n: int, /) -> bytes:
        return await self._queue.get() or b""


class Output:
    """What the client reads. While `open` is unset it reads nothing; after `gone` it never will."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.gone = False

    def write(self, data: bytes, /) -> None:
        assert data.endswith(b"\n")
        assert data.count(b"\n") == 1
        self.lines.append(data[:-1])

    async def drain(self) -> None:
        await self.open.wait()
        if self.gone:
            raise BrokenPipeError


async def shout(line: bytes) -> bytes | None:
    return line.upper()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_each_line_is_answered_and_the_end_ends_it() -> None:
    output = Output()
    await StdioEdge(shout, Input(b"a\nb", b"b\r\n\n  \nc", None), output).run()
    assert sorted(output.lines) == [b"A", b"BB", b"C"]


@pytest.mark.spec("DW-031")
async def test_nothing_is_written_for_none() -> None:
    async def quiet(line: bytes) -> bytes | None:
        return None

    output = Output()
    await StdioEdge(quiet, Input(b"a\n", None), output).run()
    assert output.lines == []


async def test_nothing_overtakes_the_first_handshake() -> None:
    handled: list[bytes] = []
    release = asyncio.Event()

    async def handle(line: bytes) -> bytes | None:
        handled.append(line)
        if b"initialize" in line:
            await release.wait()
        return line

    first, again = b'{"id":0,"method": "initialize"}', b'{"id":1,"method":"initialize"}'
    edge = StdioEdge(handle, Input(first + b"\na\n" + again + b"\nb\n", None), output := Output())
    running = asyncio.create_task(edge.run())
    await settle()
    assert handled == [first]
    release.set()
    await running
    assert handled == [first, b"a", again, b"b"]
    assert output.lines[:2] == [first, b"a"]


async def test_calls_interleave_and_events_go_between() -> None:
    release = {b"a": asyncio.Event(), b"b": asyncio.Event()}
    output = Output()

    async def handle(line: bytes) -> bytes | None:
        await edge.emit(b"progress " + line)
        await release[line].wait()
        return b"done " + line

    edge = StdioEdge(handle, Input(b"a\nb\n", None), output)
    running = asyncio.create_task(edge.run())
    await settle()
    assert output.lines == [b"progress a", b"progress b"]
    release[b"b"].set()
    await settle()
    release[b"a"].set()
    await running
    assert output.lines[2:] == [b"done b", b"done a"]


async def test_an_over_long_line_is_refused_once_and_the_next_is_served() -> None:
    output = Output()
    pieces = [b"x" * 60, b"x" * 60, b"x" * 60 + b"\nok\n", b"y" * 101 + b"\n" + b"z" * 100 + b"\n", None]
    await StdioEdge(shout, Input(*pieces), output, max_line=100).run()
    refusals = [line for line in output.lines if b"body_too_large" in line]
    assert len(refusals) == 2
    assert all(b'"id"' not in line for line in refusals)
    assert sorted(line for line in output.lines if line not in refusals) == [b"OK", b"Z" * 100]


async def test_a_message_that_spans_lines_goes_out_as_one() -> None:
    async def pretty(line: bytes) -> bytes | None:
        return b'{\n "a": 1\r\n}'

    output = Output()
    await StdioEdge(pretty, Input(b"a\n", None), output).run()
    assert output.lines == [b'{  "a": 1  }']


async def test_concurrency_is_bounded_and_notifications_overtake() -> None:
    started: list[bytes] = []
    release = asyncio.Event()

    async def handle(line: bytes) -> bytes | None:
        started.append(line)
        await release.wait()
        return None

    cancel = b'{"method":"notifications/cancelled"}'
    edge = StdioEdge(handle, Input(b"1\n2\n3\n4\n" + cancel + b"\n", None), Output(), concurrency=2)
    running = asyncio.create_task(edge.run())
    await settle()
    assert started == [b"1", b"2", cancel]
    release.set()
    await running
    assert started == [b"1", b"2", cancel, b"3", b"4"]


async def test_reading_pauses_when_too_many_wait() -> None:
    taken = 0
    release = asyncio.Event()

    class Endless(Input):
        async def read(self, n: int, /) -> bytes:
            nonlocal taken
            taken += 1
            return b"x\n"

    async def handle(line: bytes) -> bytes | None:
        await release.wait()
        return None

    running = asyncio.create_task(StdioEdge(handle, Endless(), Output(), backlog=5).run())
    await settle()
    assert taken == 6
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_reading_pauses_when_too_much_waits() -> None:
    started: list[int] = []
    release = asyncio.Event()

    async def handle(line: bytes) -> bytes | None:
        started.append(len(line))
        await release.wait()
        return None

    source = Input(b"x" * 100 + b"\n", b"y" * 300 + b"\n", b"z" * 10 + b"\n", None)
    running = asyncio.create_task(StdioEdge(handle, source, Output(), max_line=80 * 4).run())
    await settle()
    assert started == [100, 300, 10]
    release.set()
    await running
    started.clear()
    release.clear()
    source = Input(*[b"x" * 60 + b"\n"] * 8, None)
    running = asyncio.create_task(StdioEdge(handle, source, Output(), max_line=60).run())
    await settle()
    assert started == [60] * 4
    release.set()
    await running
    assert started == [60] * 8


async def test_a_slow_reader_slows_the_writers() -> None:
    output = Output()
    output.open.clear()
    edge = StdioEdge(shout, Input(b"a\nb\nc\n", None), output)
    running = asyncio.create_task(edge.run())
    await settle()
    assert len(output.lines) == 1
    output.open.set()
    await running
    assert sorted(output.lines) == [b"A", b"B", b"C"]


async def test_when_nobody_reads_it_ends_and_cancels() -> None:
    cancelled = []

    async def handle(line: bytes) -> bytes | None:
        try:
            if line == b"slow":
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(line)
            raise
        return b"x"

    output = Output()
    output.gone = True
    await StdioEdge(handle, Input(b"slow\nquick\n"), output).run()
    assert cancelled == [b"slow"]


async def test_after_the_end_running_calls_get_a_deadline() -> None:
    cancelled = asyncio.Event()

    async def handle(line: bytes) -> bytes | None:
        try:
            await asyncio.sleep(0.02 if line == b"quick" else 100)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return line

    output = Output()
    await StdioEdge(handle, Input(b"quick\nslow\n", None), output, grace=0.1).run()
    assert output.lines == [b"quick"]
    assert cancelled.is_set()


async def test_a_bug_costs_one_message_and_is_reported() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async def handle(line: bytes) -> bytes | None:
        if line == b"bad":
            raise LookupError("secret detail")
        return line

    output = Output()
    await StdioEdge(handle, Input(b"bad\ngood\n", None), output).run()
    assert b"good" in output.lines
    (apology,) = [line for line in output.lines if line != b"good"]
    assert b"internal_error" in apology
    assert b"secret" not in apology
    assert [type(context["exception"]) for context in reported] == [LookupError]


async def test_an_input_that_fails_is_an_error() -> None:
    class Broken(Input):
        async def read(self, n: int, /) -> bytes:
            raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        await StdioEdge(shout, Broken(), Output()).run()
