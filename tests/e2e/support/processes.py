"""Processes of a test: they answer in time or the test fails with what they said, and none outlives it."""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

LOOPBACK = "127.0.0.1"
GRACE_S = 40.0
PATIENCE_S = 60.0
"""What takes a second may take a minute beside others; what never comes is found out all the same."""
PORTS = range(20_000, 32_000)


class Child:
    """A running process that leads a group of its own; everything it says goes into `log`."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                env=None if env is None else {**os.environ, **env},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, true: Callable[[], bool], what: str, timeout: float = PATIENCE_S) -> None:
        """Fails the test when the process ends first, or does not get there in time."""

        def check() -> bool:
            code = self.process.poll()
            assert code is None, f"ended with {code} before {what}:\n{self.said()[-4000:]}"
            return true()

        wait_until(check, f"{what}; the log:\n", timeout, self.said)

    def stop(self) -> int:
        """SIGTERM; its exit code. Fails the test when it takes longer than GRACE_S."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(GRACE_S)

    def kill(self) -> None:
        """SIGKILL for it alone, as the kernel's out-of-memory killer would."""
        self.process.kill()
        self.process.wait(GRACE_S)

    def sweep(self) -> None:
        """Whatever is left of it and of its group ends."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(GRACE_S)


@contextmanager
def child(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[Child]:
    """A child for a while."""
    made = Child(command, log, env)
    try:
        yield made
        if made.process.poll() is None:
            made.stop()
    finally:
        made.sweep()


def wait_until(
    true: Callable[[], bool], what: str, timeout: float = PATIENCE_S, more: Callable[[], str] = lambda: ""
) -> None:
    """Polls every 20 ms; fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"after {timeout} s still not: {what}{more()[-4000:]}"
        time.sleep(0.02)


@cache
def _claims() -> tuple[BinaryIO, set[int]]:
    """A file whose bytes stand for ports, and those that this process holds. The locks end with it."""
    place = Path(tempfile.gettempdir()) / f"doorward-test-ports-{os.getuid()}"
    return place.open("ab"), set()


def _claim(port: int) -> bool:
    """False when it was given to somebody who still runs, here or in another process."""
    file, held = _claims()
    if port in held:
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    held.add(port)
    return True


def free_port() -> int:
    """A port that nobody listens on, nor will be given as its own end of a connection (above 32768 on Linux).

    It is given once only: its server binds it seconds later, and who looked meanwhile whether it can be bound
    would have it too, so that callers of the one server would be answered by the other.
    """
    for _ in range(2 * len(PORTS)):
        port = secrets.choice(PORTS)
        if _claim(port):
            with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
                return port
    raise AssertionError("every port is taken")


def listens(port: int) -> bool:
    """True when somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def group_of(leader: int) -> list[int]:
    """Processes whose session a child leads, itself included: what it has started and not detached."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def children_of(parent: int) -> list[int]:
    """Direct children that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(entry.name))
    return found
