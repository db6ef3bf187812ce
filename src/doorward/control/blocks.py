"""Blocks: whom or what nobody gets through to for now. Placing one is easier than lifting one."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from doorward.audit.records import clip
from doorward.control.changes import change_record
from doorward.control.errors import Conflict, Unknown
from doorward.control.key_rules import Configured
from doorward.control.roles import Operator, Right
from doorward.identity.base62 import drawn
from doorward.ports.store import BlockRecord, Store

PLACED: Final = "block:place"
LIFTED: Final = "block:lift"
KINDS: Final = ("server", "agent", "key", "user", "client", "jti", "sid")
ID_PREFIX: Final = "bl_"
MAX_VALUE: Final = 512
_ISSUED: Final = frozenset({"user", "client", "jti", "sid"})


def place_block(
    store: Store,
    *,
    by: Operator,
    kind: str,
    value: str,
    reason: str,
    now: float,
    issuer: str | None = None,
    expires_at: float | None = None,
    configured: Configured | None = None,
) -> BlockRecord:
    """In force as soon as it is applied. Times in seconds since 1970. `configured`: where servers and agents
    have to be, because a block of a misspelled one would let its operator believe that it holds.

    Raises Forbidden, Unknown, ValueError, GatewayError(STORE_UNAVAILABLE).
    """
    _check(kind, value, issuer, expires_at, now)
    _require(store, by, Right.BLOCKS_PLACE, kind, value)
    _find_blocked(store, kind, value, configured)
    block = BlockRecord(
        id=ID_PREFIX + drawn(12),
        kind=kind,
        value=value,
        issuer=issuer,
        reason=clip(reason),
        created_at=now,
        created_by=by.name,
        expires_at=expires_at,
    )
    store.add_block(block, change_record(PLACED, _named(block), by.actor, now, None, public(block)))
    return block


def lift_block(store: Store, block_id: str, *, by: Operator, now: float) -> BlockRecord:
    """One that was lifted before, or has ended by itself, stays as it was.

    Raises Forbidden, Unknown, Conflict, GatewayError(STORE_UNAVAILABLE).
    """
    by.require(Right.BLOCKS_LIFT)
    before = _find(store, block_id)
    _require(store, by, Right.BLOCKS_LIFT, before.kind, before.value)
    if not in_force(before, now):
        return before
    after = msgspec.structs.replace(before, lifted_at=now)
    change = change_record(LIFTED, _named(after), by.actor, now, public(before), public(after))
    if not store.change_block(after, change):
        raise Conflict(f"block {block_id} was changed meanwhile", "look at it again, then repeat")
    return msgspec.structs.replace(after, revision=after.revision + 1)


def list_blocks(store: Store, *, by: Operator) -> list[BlockRecord]:
    """Oldest first, lifted and expired ones included. Raises Forbidden, GatewayError(STORE_UNAVAILABLE)."""
    by.require(Right.BLOCKS_READ)
    return store.blocks()


def find_block(store: Store, block_id: str, *, by: Operator) -> BlockRecord:
    """Raises Forbidden, Unknown, GatewayError(STORE_UNAVAILABLE)."""
    by.require(Right.BLOCKS_READ)
    return _find(store, block_id)


def in_force(block: BlockRecord, now: float) -> bool:
    """Whether it blocks."""
    return block.lifted_at is None and (block.expires_at is None or block.expires_at > now)


def live_blocks(blocks: Sequence[BlockRecord], now: float) -> list[BlockRecord]:
    """Those that block."""
    return [block for block in blocks if in_force(block, now)]


def public(block: BlockRecord) -> dict[str, Any]:
    """As it stands in the log."""
    names = ("id", "kind", "value", "issuer", "reason", "expires_at", "lifted_at")
    return {name: getattr(block, name) for name in names}


def _named(block: BlockRecord) -> str:
    return f"block:{block.id}"


def _find(store: Store, block_id: str) -> BlockRecord:
    for block in store.blocks():
        if block.id == block_id:
            return block
    raise Unknown("there is no block of this id", "doorward blocks list shows them")


def _find_blocked(store: Store, kind: str, value: str, configured: Configured | None) -> None:
    if kind == "key" and all(key.id != value for key in store.facts().keys):
        raise Unknown("there is no key of this id", "doorward keys list shows them")
    if configured is None:
        return
    if kind == "server" and value not in configured.servers:
        raise Unknown(f"no server {value!r} is configured", "doorward servers list shows them")
    if kind == "agent" and value not in configured.agents:
        known = ", ".join(sorted(configured.agents)) or "none"
        raise Unknown(f"no agent {value!r} is configured", f"agents are: {known}")


def _check(kind: str, value: str, issuer: str | None, expires_at: float | None, now: float) -> None:
    if kind not in KINDS:
        raise ValueError(f"{kind!r} cannot be blocked: only {', '.join(KINDS)}")
    if not 0 < len(value) <= MAX_VALUE or not value.isprintable():
        raise ValueError(f"a {kind} is named by 1 to {MAX_VALUE} printable characters")
    if issuer is not None and kind not in _ISSUED:
        raise ValueError(f"a {kind} has no issuer")
    if expires_at is not None and not now < expires_at < float("inf"):
        raise ValueError("a block ends in the future, or never")


def _require(store: Store, by: Operator, right: Right, kind: str, value: str) -> None:
    """Raises Forbidden: an operator with limits blocks within them."""
    agent = value if kind == "agent" else None
    if kind == "key":
        agent = next((key.agent for key in store.facts().keys if key.id == value), None)
    by.require_within(right, agent=agent, server=value if kind == "server" else None)
