"""Which calls wait for the disk."""

import pytest

from doorward.audit.strictness import Strictness, roles
from doorward.model.target import OperationClass
from doorward.ports.audit import Role

READ, WRITE, DESTRUCTIVE = OperationClass.READ, OperationClass.WRITE, OperationClass.DESTRUCTIVE


@pytest.mark.parametrize(
    ("strict", "read", "write", "listed"),
    [
        ("writes", Role.DECISION, Role.DURABLE, Role.DECISION),
        ("all", Role.DURABLE, Role.DURABLE, Role.DURABLE),
        ("none", Role.DECISION, Role.DECISION, Role.DECISION),
    ],
)
def test_it_follows_from_what_a_call_does(strict: str, read: Role, write: Role, listed: Role) -> None:
    found = roles(strict)  # type: ignore[arg-type]
    assert found[READ] == (read, False)
    assert found[WRITE] == found[DESTRUCTIVE] == found[OperationClass.EXTERNAL] == (write, True)
    assert found[None] == (listed, False)


def test_a_server_may_differ() -> None:
    strictness = Strictness("none", {"bank": "all"})
    assert strictness.servers.get("bank", strictness.usual)[READ][0] is Role.DURABLE
    assert strictness.servers.get("docs", strictness.usual)[WRITE][0] is Role.DECISION
