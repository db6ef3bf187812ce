"""What a process tree has used, from /proc."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True)
class Sample:
    user_ticks: int
    system_ticks: int
    run_ns: dict[int, int]  # by thread


@dataclass(frozen=True)
class Spent:
    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        return self.user_s + self.system_s


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on: behind the command, whose name may hold anything."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def tree(root: int, without: frozenset[int] = frozenset()) -> list[int]:
    """A process and everything below it, but for some children and what is below those."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(stat_fields(int(entry.name))[1]), []).append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
    found = [root]
    for pid in found:
        found.extend(child for child in children.get(pid, ()) if child not in without)
    return found


def children(root: int, command: str) -> frozenset[int]:
    """Processes below `root` that run a program of this name."""
    found = set()
    for pid in tree(root):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if (PROC / str(pid) / "comm").read_text().strip() == command:
                found.add(pid)
    return frozenset(found)


def sample(root: int, without: frozenset[int] = frozenset()) -> Sample:
    user = system = 0
    run_ns: dict[int, int] = {}
    for pid in tree(root, without):
        try:
            fields = stat_fields(pid)
            for task in (PROC / str(pid) / "task").iterdir():
                run_ns[int(task.name)] = int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
        # utime and cutime, stime and cstime: children that were waited for stay counted in their parent.
        user += int(fields[11]) + int(fields[13])
        system += int(fields[12]) + int(fields[14])
    return Sample(user, system, run_ns)


def spent(before: Sample, after: Sample) -> Spent:
    """The time between two samples.

    The scheduler's run time is exact to the nanosecond but not split, and it forgets threads that end; ticks
    are split between user and system, and coarse. So: the total from the scheduler while all threads live on,
    shared out by ticks.
    """
    user_ticks = after.user_ticks - before.user_ticks
    system_ticks = after.system_ticks - before.system_ticks
    ticks = user_ticks + system_ticks
    total = ticks / TICKS_PER_SECOND
    if before.run_ns.keys() <= after.run_ns.keys():
        total = (sum(after.run_ns.values()) - sum(before.run_ns.values())) / 1e9
    user = total * user_ticks / ticks if ticks else 0.0
    return Spent(user, total - user)


def rss_mb(root: int, without: frozenset[int] = frozenset()) -> float:
    """Resident memory of the tree; pages that its processes share count once for each of them."""
    kilobytes = 0
    for pid in tree(root, without):
        try:
            status = (PROC / str(pid) / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        kilobytes += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return kilobytes / 1024
