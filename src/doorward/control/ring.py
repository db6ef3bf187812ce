"""The versions of our own keys: made, replaced, ended, and who still needs which (DESIGN section 6).

A new version is used from the moment that it is made; an old one goes on verifying, opening and matching what
was made with it until it ends. Where that is nothing that passes by itself, nobody sets an end but the
operator.
"""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from doorward.audit.digests import purpose_of, quarter_of
from doorward.audit.records import TENANT
from doorward.control.changes import change_record
from doorward.control.errors import Conflict, Unknown
from doorward.control.roles import Operator, Right
from doorward.control.secrets import ROTATED
from doorward.ports.secrets import KeptRing, RotatingRing, Version
from doorward.ports.store import Store, StoreFacts

ENDED: Final = "secret:end"
EXPORTED: Final = "secret:export"
PEPPER: Final = "pepper"
DIGEST: Final = "digest"
"""Stands for the key of the quarter that it is."""
LASTING: Final = (PEPPER, DIGEST)
OVERLAPS: Final[Mapping[str, float]] = MappingProxyType(
    {"request-state": 3600.0, "tokens": 86_400.0, "vault": 86_400.0}
)
"""How many seconds an old version is needed at most: as long as what is made with it counts."""
MADE: Final = ("checkpoints", PEPPER, *OVERLAPS)
"""Purposes that every gateway has a key for from its first start; and one of the quarter."""


class Rotated(msgspec.Struct, frozen=True):
    """What a rotation has come to."""

    purpose: str
    before: int
    after: int
    ends: float | None
    """When the versions before it end; None: when somebody ends them."""
    needed: int
    """How many credentials that work were made with an older version."""


def ensure(ring: KeptRing, now: float) -> None:
    """Make every key that a gateway needs. Raises GatewayError(STORE_UNAVAILABLE)."""
    ring.ensure((*MADE, purpose_of(TENANT, *quarter_of(now))))


def needed(facts: StoreFacts, now: float) -> Counter[int]:
    """By version of the pepper, how many secrets that work were made with it: of keys, of rotations that
    overlap, of operators."""
    found: Counter[int] = Counter()
    for key in facts.keys:
        if key.revoked_at is None and (key.expires_at is None or key.expires_at > now):
            found[key.pepper_version] += 1
            if key.previous is not None and key.previous.until > now:
                found[key.previous.pepper_version] += 1
    for operator in facts.operators:
        if operator.removed_at is None and (operator.expires_at is None or operator.expires_at > now):
            found[operator.pepper_version] += 1
    return found


def rotate(
    store: Store, ring: KeptRing, wanted: str, *, by: Operator, now: float, overlap_s: float | None = None
) -> Rotated:
    """Replace a key; on record first. `overlap_s`: how long older versions count, where it is not as long as
    what they were made for.

    Raises Forbidden, ValueError for a purpose that has other ways or an end that would lose something,
    Conflict for a pepper that is needed and would end at once, GatewayError(STORE_UNAVAILABLE).
    """
    by.require_all(Right.SECRETS_CHANGE)
    if wanted not in (*LASTING, *OVERLAPS):
        raise ValueError(f"no key is rotated as {wanted!r}: {', '.join((*LASTING, *OVERLAPS))}")
    if wanted == DIGEST and overlap_s is not None:
        raise ValueError("digests in the log are compared for as long as it is kept: no version of them ends")
    purpose = purpose_of(TENANT, *quarter_of(now)) if wanted == DIGEST else wanted
    if purpose == PEPPER and overlap_s == 0:
        _check_unneeded(store, now)
    within = OVERLAPS.get(purpose) if overlap_s is None else overlap_s
    ends = None if within is None else now + within
    before = max((one.number for one in ring.versions(purpose)), default=0)

    def announce(_key: bytes) -> None:
        said: dict[str, Any] = {"version": before + 1}
        if ends is not None:
            said["previous_until"] = ends
        change = change_record(ROTATED, purpose, by.actor, now, {"version": before}, said)
        store.add_change(change)

    after, _ = ring.rotate(purpose, announce)
    older = [one.number for one in ring.versions(purpose) if one.number < after]
    if ends is not None and older:
        ring.end(purpose, older, ends)
    using = needed(store.facts(), now) if purpose == PEPPER else Counter[int]()
    return Rotated(purpose, before, after, ends if older else None, sum(using[number] for number in older))


def _check_unneeded(store: Store, now: float) -> None:
    users = needed(store.facts(), now).total()
    if users:
        message = f"{users} keys and tokens that work, maybe yours, would be worth nothing at once"
        raise Conflict(message, "leave --overlap 0 out, and end the old version when nothing needs it")


def end(
    store: Store,
    ring: KeptRing,
    purpose: str,
    number: int,
    *,
    by: Operator,
    now: float,
    force: bool = False,
) -> Version:
    """Let an old version count no longer, from now on; on record first.

    Raises Forbidden, Unknown, Conflict for the newest one and, unless by `force`, for one that is needed,
    ValueError where no version ends, GatewayError(STORE_UNAVAILABLE).
    """
    by.require_all(Right.SECRETS_CHANGE)
    if purpose not in (PEPPER, *OVERLAPS):
        raise ValueError("only versions of pepper, request-state, tokens and vault can be ended")
    versions = ring.versions(purpose)
    found = next((one for one in versions if one.number == number), None)
    if found is None:
        raise Unknown(f"{purpose} has no version {number}", "doorward secrets list shows them")
    if found is versions[-1]:
        raise Conflict(
            f"version {number} of {purpose} is in use", f"first: doorward secrets rotate {purpose}"
        )
    users = needed(store.facts(), now)[number] if purpose == PEPPER else 0
    if users and not force:
        message = f"{users} keys and tokens that work were made with version {number} of the pepper"
        raise Conflict(
            message, "rotate them first (keys rotate, operators rotate), or take them all: --force"
        )
    change = change_record(ENDED, purpose, by.actor, now, {"version": number, "needed": users}, {})
    store.add_change(change)
    ring.end(purpose, [number], now)
    return found._replace(ends=now)


def exported(store: Store, ring: RotatingRing, *, by: Operator, now: float) -> None:
    """Put on record that a copy of all of it leaves. Raises Forbidden, GatewayError(STORE_UNAVAILABLE)."""
    by.require_all(Right.SECRETS_CHANGE)
    versions = {purpose: [one.number for one in ring.versions(purpose)] for purpose in ring.purposes()}
    store.add_change(change_record(EXPORTED, "secrets", by.actor, now, after=versions))
