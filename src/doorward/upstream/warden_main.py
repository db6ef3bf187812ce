"""The warden's own process: ends what a gateway's child processes leave behind, also when it was killed.

It runs this file alone (`python -I -S`), so it imports nothing of ours, and nothing large: it lives as long
as the gateway. On standard input, one line each: `+PGID MARK` for a process group that was started, `-PGID
MARK` for one that has been ended. When the input ends the gateway is gone, and every group that is left is
killed. A descendant that has left its group is found by the mark in its environment, where the system shows
environments (/proc/PID/environ on Linux); one that takes on another user or wipes its environment is not.
"""

import os
import signal
import sys
from collections.abc import Iterator

VARIABLE = "DOORWARD_PROCESS"
ROUNDS = 200
"""Passes over all processes, while one after another finds something: what forks is caught up with."""


def main() -> None:
    """Serve standard input to its end."""
    os.chdir("/")
    groups: dict[str, int] = {}
    for line in sys.stdin.buffer:
        sign, rest = line[:1], line[1:].decode("ascii", "replace").split()
        if sign == b"+":
            groups[rest[1]] = int(rest[0])
        elif groups.pop(rest[1], None) is not None:
            end_marked({rest[1]})
    for group in groups.values():
        kill(-group)
    end_marked(set(groups))


def end_marked(marks: set[str]) -> int:
    """Kill every process of ours whose environment has one of these marks. Returns how many there were."""
    wanted = {f"{VARIABLE}={mark}".encode() for mark in marks}
    if not wanted:
        return 0
    count = 0
    for _ in range(ROUNDS):
        found = [pid for pid, environment in environments() if not wanted.isdisjoint(environment)]
        if not found:
            break
        count += len(found)
        for pid in found:
            kill(pid)
    return count


def environments() -> Iterator[tuple[int, list[bytes]]]:
    """Of the processes that we may look into. A zombie has none any more."""
    try:
        with os.scandir("/proc") as entries:
            names = [entry.name for entry in entries if entry.name.isdecimal()]
    except OSError:
        return  # no Linux
    for name in names:
        try:
            yield int(name), contents(f"/proc/{name}/environ").split(b"\0")
        except OSError:
            continue  # somebody else's, or gone meanwhile


def contents(path: str) -> bytes:
    """Of a small file. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        pieces = []
        while piece := os.read(fd, 65536):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(fd)


def kill(pid: int) -> None:
    """SIGKILL; a negative number means a process group."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    main()
