"""Digests of values that an investigator has, to be looked for in the log: "who was sent this?".

Whoever has the key of a quarter can try values until one fits, so each use is on record, with who and when;
the value and its digests are not, because the record would be what it protects against.
"""

import re
from typing import Any, Final

import msgspec

from doorward.audit import records
from doorward.audit.digests import DigestKey, purpose_of, quarter_of
from doorward.control.changes import change_record
from doorward.model.canonical import any_canonical
from doorward.ports.secrets import RotatingRing
from doorward.ports.store import Store

HASHED: Final = "audit:hash"
_QUARTER: Final = re.compile(r"(\d{4})[qQ]([1-4])")


class NoKey(LookupError):
    """No record of this tenant and quarter has a digest."""


class Hashed(msgspec.Struct, frozen=True):
    """Under one key. 64 hexadecimal digits each."""

    key: str
    """As records name it."""
    canonical: str | None
    """Of the canonical form: how arguments are digested, up to 16 KB. None for what is no JSON."""
    raw: str
    """Of the bytes as they are: results, and larger arguments."""


def quarter(text: str | None, now: float) -> tuple[int, int]:
    """Year and quarter of `2026q3`; the one of `now` (seconds since 1970) when nothing is said. Raises
    ValueError."""
    if text is None:
        return quarter_of(now)
    found = _QUARTER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no quarter: write 2026q3")
    return int(found[1]), int(found[2])


def hash_value(
    store: Store,
    ring: RotatingRing,
    *,
    tenant: str,
    at: tuple[int, int],
    data: bytes,
    actor: records.Actor,
    now: float,
) -> list[Hashed]:
    """Under each version of the key of that quarter, oldest first; recorded before anything is said.

    `at`: year and quarter. Raises NoKey, GatewayError(STORE_UNAVAILABLE).
    """
    purpose = purpose_of(tenant, *at)
    versions = [version.number for version in ring.versions(purpose)]
    if not versions:
        raise NoKey(f"there is no key {purpose}: nothing was digested for {tenant} in {at[0]}q{at[1]}")
    store.add_change(change_record(HASHED, purpose, actor, now, after={"versions": versions}))
    spelled = _canonical(data)
    found = []
    for number in versions:
        key = DigestKey(f"{purpose}:{number}", ring.version(purpose, number))
        found.append(Hashed(key.name, None if spelled is None else key.digest(spelled), key.digest(data)))
    return found


def _canonical(data: bytes) -> bytes | None:
    try:
        value: Any = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return any_canonical(value)
