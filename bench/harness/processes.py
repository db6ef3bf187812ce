"""Starting what the bench needs, waiting until it serves, and ending exactly that."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

READY_SECONDS = 20.0
STOP_SECONDS = 10.0


class NotReady(Exception):
    """A process that ended or never answered; the text carries the end of its log."""


def free_port(preferred: int) -> int:
    """The port of the configuration files when nobody has it, else any."""
    for port in (preferred, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise NotReady("no loopback port is free")


def answers(port: int, path: str | None) -> bool:
    """Whether a port accepts, and, given a path, answers it with 200."""
    try:
        if path is None:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        return status_of(port, f"GET {path}") == 200
    except OSError:
        return False


def status_of(port: int, request: str) -> int:
    """The status that a bodiless request gets; 0 when the answer is not HTTP."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        head = (
            f"{request} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode())
        line = connection.makefile("rb").readline().split()
    return int(line[1]) if len(line) > 1 and line[0] == b"HTTP/1.1" and line[1].isdigit() else 0


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends one process that `running` started, and its children: they have a process group of their own."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until_ready(
    process: subprocess.Popen[bytes], name: str, port: int, path: str | None, log: Path
) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not answers(port, path):
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            what = (
                f"ended with {process.returncode}" if ended else f"does not serve after {READY_SECONDS:.0f} s"
            )
            end_of_log = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise NotReady(f"{name} {what}:\n{end_of_log}")
        time.sleep(0.05)


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    port: int,
    place: Path,
    ready_path: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Runs a server for the length of the block and gives its pid. Its output goes to a log in `place`.

    `setpriv --pdeathsig` (util-linux) has the kernel end it when the bench itself is killed, which no handler
    could do.
    """
    log = place / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        wait_until_ready(process, name, port, ready_path, log)
        yield process.pid
    finally:
        stop(process)
