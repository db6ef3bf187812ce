"""Whose conversation is which: the keys under which a server's conversations are kept.

None is our own, and that of all where a server is `shared`. A legacy caller's is its session's id, or its
`Principal.owner` where sessions share. A caller of 2026-07-28 has no session, and says with each call what
its client can be asked; a legacy server wants to know that once and before. So there is a conversation for
each such word of it, and the key says which.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

_END: Final = "\n"
"""JSON has none, and begins as no session's id and no tenant does: the first one ends what can be asked."""
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def of_caller(owner: str, declared: Mapping[str, Mapping[str, Any]]) -> str:
    """`declared`: what may be asked (see `wire.asking.declared`). Only its names count, which are few: nobody
    can have as many conversations as there are ways to write one thing."""
    if not declared:
        return owner
    bare: dict[str, dict[str, Any]] = {kind: {name: {} for name in declared[kind]} for kind in declared}
    return f"{_encode(bare).decode()}{_END}{owner}"


def declared_in(key: str) -> dict[str, Any]:
    """What `of_caller` was given; empty for any other key."""
    said, end, _ = key.partition(_END)
    found: dict[str, Any] = msgspec.json.decode(said) if end and said.startswith("{") else {}
    return found


def owner_in(key: str) -> str:
    """Whose `of_caller` made it; any other key is itself."""
    return key.rpartition(_END)[2]
