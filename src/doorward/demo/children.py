"""Child processes that never outlive the demonstration: each leads a process group of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Final

_GRACE_S: Final = 5.0


class Broken(Exception):
    """The demonstration cannot go on; the message says why, for the person who watches."""


@asynccontextmanager
async def child(log: Path, *command: str, cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running `command`, its output in `log`; on leaving SIGTERM, after 5 s SIGKILL."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=output, stderr=output, cwd=cwd, start_new_session=True
        )
    try:
        yield process
    finally:
        await _end(process)


async def output_of(*command: str, cwd: Path) -> str:
    """What `command` prints on stdout. Raises Broken with its stderr when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, cwd=cwd, start_new_session=True
    )
    try:
        output, errors = await process.communicate()
    finally:
        await _end(process)
    if process.returncode != 0:
        said = errors.decode(errors="replace").strip()
        raise Broken(f"`{' '.join(command[2:5])}` ended with exit code {process.returncode}\n{said}")
    return output.decode()


async def exit_code_of(*command: str, told: str, cwd: Path) -> int:
    """How `command` ends, which reads `told` and speaks for itself."""
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, cwd=cwd, start_new_session=True)
    try:
        await process.communicate(told.encode())
    finally:
        await _end(process)
    return process.returncode or 0


def python(module: str) -> tuple[str, str, str]:
    """The command that runs a module with this very interpreter."""
    return sys.executable, "-m", module


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(_GRACE_S):
                await process.wait()
        except TimeoutError:
            pass
    # The group may hold grandchildren although its leader is gone.
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        pass
