"""Standard streams of every kind: pipes, files, the null device. On both event loops."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
import uvloop

from doorward.edge.pipes import open_pipes
from doorward.edge.stdio import StdioEdge


async def shout(line: bytes) -> bytes | None:
    return line.upper()


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param
    return asyncio.Runner(loop_factory=factory)


async def serve(stdin: BinaryIO, stdout: BinaryIO) -> None:
    async with open_pipes(stdin, stdout) as (reader, writer):
        await StdioEdge(shout, reader, writer).run()


def test_through_pipes(runner: asyncio.Runner) -> None:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    os.write(in_write, b"one\ntwo\n")
    os.close(in_write)
    with runner, os.fdopen(in_read, "rb") as stdin, os.fdopen(out_write, "wb") as stdout:
        runner.run(serve(stdin, stdout))
    with os.fdopen(out_read, "rb") as seen:
        assert sorted(seen.read().splitlines()) == [b"ONE", b"TWO"]


def test_through_files(runner: asyncio.Runner, tmp_path: Path) -> None:
    given, seen = tmp_path / "in", tmp_path / "out"
    given.write_bytes(b"one\ntwo\n")
    with runner, given.open("rb") as stdin, seen.open("wb") as stdout:
        runner.run(serve(stdin, stdout))
    assert sorted(seen.read_bytes().splitlines()) == [b"ONE", b"TWO"]


def test_the_null_device(runner: asyncio.Runner) -> None:
    null = Path(os.devnull)
    with runner, null.open("rb") as stdin, null.open("wb") as stdout:
        runner.run(serve(stdin, stdout))


def test_a_reader_that_goes_away_ends_it(runner: asyncio.Runner) -> None:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    os.close(out_read)
    os.write(in_write, b"one\n" * 100)
    with runner, os.fdopen(in_read, "rb") as stdin, os.fdopen(out_write, "wb") as stdout:
        runner.run(serve(stdin, stdout))
    os.close(in_write)


def test_everything_written_comes_out_and_the_mode_is_restored(runner: asyncio.Runner) -> None:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    os.write(in_write, b"x" * 30_000 + b"\n" + b"y" * 30_000 + b"\n")
    os.close(in_write)
    seen: list[bytes] = []

    def read() -> None:
        with os.fdopen(out_read, "rb") as output:
            seen.extend(output.read().splitlines())

    reading = threading.Thread(target=read)
    with runner, os.fdopen(in_read, "rb") as stdin, os.fdopen(out_write, "wb") as stdout:
        reading.start()
        runner.run(serve(stdin, stdout))
        assert os.get_blocking(in_read)
        assert os.get_blocking(out_write)
    reading.join(10)
    assert sorted(seen) == [b"X" * 30_000, b"Y" * 30_000]
