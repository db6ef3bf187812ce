"""Identifiers of records and calls."""

import os
import time


def uuid7() -> str:
    """A UUIDv7 (RFC 9562 section 5.7): sorts by time of creation to a quarter of a microsecond, 62 random bits."""
    now = time.time_ns()
    ms, ns = divmod(now, 1_000_000)
    noise = int.from_bytes(os.urandom(8), "big")
    # RFC 9562 section 6.2, method 3: twelve bits of the fraction of the millisecond in rand_a.
    return "%08x-%04x-7%03x-%04x-%012x" % (
        ms >> 16,
        ms & 0xFFFF,
        (ns << 12) // 1_000_000,
        0x8000 | noise >> 50,
        noise & 0xFFFFFFFFFFFF,
    )
