"""Lines cut from what a process writes, in pieces of any size; one that floods waits its turn."""

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.upstream import output
from doorward.upstream.output import BURST, FLOOD, TAIL, Lines, Tail

pytestmark = [pytest.mark.asyncio]


class Pipe:
    """Stands for the transport."""

    def __init__(self) -> None:
        self.reading = True
        self.closed = False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Bench:
    def __init__(self, limit: int = 100) -> None:
        self.got: list[bytes] = []
        self.said: list[str] = []
        self.wanted: set[bytes] = set()
        self.pipe = Pipe()
        self.lines = Lines(
            limit, self._line, lambda: self.said.append("too long"), lambda: self.said.append("end")
        )
        self.lines.connection_made(cast("asyncio.BaseTransport", self.pipe))

    def _line(self, line: bytes) -> bool:
        self.got.append(line)
        return line in self.wanted


@given(
    lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8),
    data=st.data(),
)
async def test_lines_do_not_depend_on_how_they_are_cut(lines: list[bytes], data: Any) -> None:
    bench = Bench()
    whole = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=5)))
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        if whole[start:end]:
            bench.lines.data_received(whole[start:end])

    assert bench.got == [line for line in lines if line]
    assert bench.said == []


@pytest.mark.parametrize(
    "pieces", [[b"x" * 101], [b"x" * 101 + b"\n"], [b"x" * 60, b"x" * 60], [b"a\n" + b"x" * 101 + b"\nb\n"]]
)
async def test_a_line_beyond_the_limit_ends_it(pieces: list[bytes]) -> None:
    bench = Bench()
    for piece in pieces:
        bench.lines.data_received(piece)
    bench.lines.data_received(b"more\n")

    assert bench.said == ["too long"]
    assert b"more" not in bench.got
    assert bench.pipe.closed


async def test_a_burst_is_delivered_in_turns_and_the_child_waits() -> None:
    bench = Bench(10_000)
    count = BURST * 2 + 5
    bench.lines.data_received(b"".join(b"%d\n" % number for number in range(count)))

    assert len(bench.got) == BURST
    assert not bench.pipe.reading
    async with asyncio.timeout(20):
        while not bench.pipe.reading:  # noqa: ASYNC110 - there is nothing to be woken by
            await asyncio.sleep(0.001)
    assert bench.got == [b"%d" % number for number in range(count)]


async def test_a_burst_of_answers_needs_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "REST_S", 0.5)
    bench = Bench(10_000)
    bench.wanted = {b"answer"}
    bench.lines.data_received(b"answer\n" * BURST * 20)
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(20):
        while not bench.pipe.reading:  # noqa: ASYNC110 - there is nothing to be woken by
            await asyncio.sleep(0)

    assert len(bench.got) == BURST * 20
    assert asyncio.get_running_loop().time() - began < 0.5 * 19


async def test_what_waits_is_delivered_before_the_end() -> None:
    bench = Bench()
    bench.lines.data_received(b"x\n" * (BURST + 1))
    bench.lines.connection_lost(None)

    assert len(bench.got) == BURST + 1
    assert bench.said == ["end"]


async def test_once_closed_it_says_nothing() -> None:
    bench = Bench()
    bench.lines.data_received(b"x\n" * (BURST + 1))
    bench.lines.close()
    bench.lines.data_received(b"y\n")
    bench.lines.flush()
    bench.lines.connection_lost(None)
    await asyncio.sleep(output.REST_S * 3)

    assert len(bench.got) == BURST
    assert bench.said == []


async def test_closed_by_a_line_it_delivers_no_other() -> None:
    bench = Bench()
    bench.lines = Lines(100, lambda line: bool((bench.got.append(line), bench.lines.close())), print, print)
    bench.lines.connection_made(cast("asyncio.BaseTransport", bench.pipe))
    bench.lines.data_received(b"a\nb\nc\n")

    assert bench.got == [b"a"]


async def test_the_tail_is_bounded_and_a_flood_slowed() -> None:
    tail, pipe = Tail(), Pipe()
    tail.connection_made(cast("asyncio.BaseTransport", pipe))
    tail.data_received(b"first ")
    assert pipe.reading
    tail.data_received(b"x" * TAIL + b" last \n")

    assert not pipe.reading
    assert len(tail.text) < TAIL
    assert tail.text.endswith(" last")
    await asyncio.sleep(output.FLOOD_REST_S * 2)
    assert pipe.reading
    assert FLOOD < TAIL
