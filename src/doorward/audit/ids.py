"""Identifiers of records and calls."""

import os
import time


def uuid7() -> str:
    """A UUIDv7 (RFC 9562 section 5.7) that sorts by time to a quarter of a microsecond; 60 random bits."""
    # RFC 9562 section 6.2, method 3: rand_a holds twelve bits of the fraction of the millisecond.
    stamp = f"{(time.time_ns() << 12) // 1_000_000:015x}"
    noise = os.urandom(8).hex()
    return f"{stamp[:8]}-{stamp[8:12]}-7{stamp[12:]}-8{noise[:3]}-{noise[4:]}"
