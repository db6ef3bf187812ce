"""Which calls wait for the disk before they are sent (DESIGN section 9)."""

from collections.abc import Mapping
from typing import Final, Literal

from doorward.model.target import OperationClass
from doorward.ports.audit import Role

Strict = Literal["writes", "all", "none"]
CHANGING: Final = frozenset({OperationClass.WRITE, OperationClass.DESTRUCTIVE, OperationClass.EXTERNAL})
Roles = Mapping[OperationClass | None, tuple[Role, bool]]
"""By what a call does: the role of its decision, and whether it changes something."""


def roles(strict: Strict) -> Roles:
    """Of all calls to one server. What no server sees (lists and the like) changes nothing."""
    waits = {"writes": CHANGING, "all": {*OperationClass, None}, "none": frozenset[OperationClass]()}[strict]
    return {
        each: (Role.DURABLE if each in waits else Role.DECISION, each in CHANGING)
        for each in (*OperationClass, None)
    }


class Strictness:
    """Of one configuration."""

    def __init__(self, usual: Strict = "writes", servers: Mapping[str, Strict] | None = None) -> None:
        """`servers`: those that differ from the `usual`, by name."""
        self.usual = roles(usual)
        self.servers: Mapping[str, Roles] = {name: roles(each) for name, each in (servers or {}).items()}
