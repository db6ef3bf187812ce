"""File descriptors: how many connections fit beside everything else that this process opens."""

import resource
from typing import Final

RESERVED: Final = 512
"""For connections to servers, pipes of processes, segments, the store."""


def room(wanted: int) -> int:
    """How many of `wanted` connections this process may hold at once, after asking for as many as it takes.

    Most systems start a process with a soft limit of 1,024, which it may raise itself up to the hard one. Out
    of descriptors it could not even tell a client that it is full.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, max(soft - RESERVED, soft // 2)))
