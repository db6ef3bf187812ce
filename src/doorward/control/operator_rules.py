"""What has to hold of an operator, whoever makes or changes it."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from doorward.control.errors import Conflict, Forbidden
from doorward.control.roles import Operator, Role
from doorward.identity.operators import ID_PREFIX
from doorward.ports.store import OperatorRecord

MOST_GLOBS: Final = 100
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_GLOB: Final = re.compile(r"[A-Za-z0-9._*-]{1,64}")


def check_name(name: str) -> None:
    """Raises ValueError."""
    if not _NAME.fullmatch(name):
        text = "a name has up to 64 letters, digits and . _ @ + -, and begins with a letter or digit"
        raise ValueError(text)
    if name.startswith(ID_PREFIX):
        raise ValueError(f"a name does not begin with {ID_PREFIX}: that is how ids begin")


def role(text: str) -> Role:
    """Raises ValueError, which names those that there are."""
    try:
        return Role(text)
    except ValueError:
        raise ValueError(f"{text!r} is no role: there are {', '.join(Role)}") from None


def globs(patterns: Sequence[str] | None, what: str) -> tuple[str, ...] | None:
    """`what` they are names of. Raises ValueError."""
    if patterns is None:
        return None
    if len(patterns) > MOST_GLOBS:
        raise ValueError(f"{what}: more than {MOST_GLOBS} names")
    for pattern in patterns:
        if not _GLOB.fullmatch(pattern):
            raise ValueError(f"{what}: a name has up to 64 letters, digits and . _ -, and * for any of them")
    return tuple(patterns)


def expiry(by: Operator, expires_at: float | None, now: float) -> float | None:
    """Seconds since 1970. Raises ValueError, Forbidden."""
    if expires_at is not None and not now < expires_at < float("inf"):
        raise ValueError("an operator's time ends in the future, or never")
    outlives(by, expires_at)
    return expires_at


def outlives(by: Operator, expires_at: float | None) -> None:
    """Whoever is there for a while makes nobody who stays longer. Raises Forbidden."""
    if by.expires_at is not None and (expires_at is None or expires_at > by.expires_at):
        raise Forbidden(f"{by.name}'s own time ends before that", "ask an owner whose time does not end")


def owner_is_left(records: Iterable[OperatorRecord], after: OperatorRecord) -> None:
    """Whatever becomes of one, somebody has to be able to do everything. Raises Conflict."""
    others = (after if record.id == after.id else record for record in records)
    if not any(_governs(record) for record in others):
        raise Conflict(
            "nobody would be left who may do everything",
            "add an owner without limits and without an end first",
        )


def _governs(record: OperatorRecord) -> bool:
    limits = (record.agents, record.servers, record.expires_at, record.removed_at)
    return record.role == Role.OWNER and limits == (None, None, None, None)
