"""The table of rights, row by row, and what limits take away."""

from itertools import pairwise

import pytest

from doorward.audit.records import Actor
from doorward.control.errors import Forbidden
from doorward.control.roles import RIGHTS, Operator, Right, Role

LEAST = {
    Right.STATUS_READ: Role.VIEWER,
    Right.SERVERS_READ: Role.VIEWER,
    Right.TOOLS_READ: Role.VIEWER,
    Right.AGENTS_READ: Role.VIEWER,
    Right.KEYS_READ: Role.AUDITOR,
    Right.CALLS_READ: Role.AUDITOR,
    Right.BLOCKS_READ: Role.AUDITOR,
    Right.OPERATORS_READ: Role.AUDITOR,
    Right.SECRETS_READ: Role.AUDITOR,
    Right.BLOCKS_PLACE: Role.APPROVER,
    Right.KEYS_CREATE: Role.OPERATOR,
    Right.KEYS_CHANGE: Role.OPERATOR,
    Right.KEYS_REVOKE: Role.OPERATOR,
    Right.CALLS_CANCEL: Role.OPERATOR,
    Right.BLOCKS_LIFT: Role.OPERATOR,
    Right.KEYS_ENDLESS: Role.OWNER,
    Right.OPERATORS_CHANGE: Role.OWNER,
    Right.SECRETS_CHANGE: Role.OWNER,
}
"""The role that may least and still has the right: whoever adds one says here who gets it."""


def operator(role: Role, **limits: tuple[str, ...]) -> Operator:
    return Operator("op_0123456789AB", "anna", role, "api", **limits)


def test_every_right_and_every_role_has_its_row() -> None:
    assert set(LEAST) == set(Right)
    assert set(RIGHTS) == set(Role)


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize("role", list(Role))
def test_who_has_which_right(role: Role, right: Right) -> None:
    order = list(Role)
    expected = order.index(role) <= order.index(LEAST[right])
    assert operator(role).may(right) is expected
    if expected:
        operator(role).require(right)
        operator(role).require_all(right)
    else:
        with pytest.raises(Forbidden, match=right.value) as refused:
            operator(role).require(right)
        assert LEAST[right].value in str(refused.value.hint)


def test_a_role_has_all_that_the_one_below_it_has() -> None:
    roles = list(Role)
    for upper, lower in pairwise(roles):
        assert RIGHTS[lower] < RIGHTS[upper]


def test_only_reading_below_approver() -> None:
    for role in (Role.AUDITOR, Role.VIEWER):
        assert all(right.value.endswith(":read") for right in RIGHTS[role])


def test_limits_are_globs() -> None:
    limited = operator(Role.OPERATOR, agents=("team-a-*", "ci"), servers=("crm",))
    assert limited.limited
    limited.require_agent(Right.KEYS_CREATE, "ci")
    limited.require_agent(Right.KEYS_CREATE, "team-a-1")
    limited.require_within(Right.BLOCKS_PLACE, agent="ci", server="crm")
    with pytest.raises(Forbidden, match="team-b"):
        limited.require_agent(Right.KEYS_CREATE, "team-b")
    for agent, server, text in (
        ("ci", "files", "files"),
        ("team-b", "crm", "team-b"),
        ("ci", None, "every server"),
        (None, "crm", "every agent"),
        (None, None, "limited"),
    ):
        with pytest.raises(Forbidden, match=text):
            limited.require_within(Right.BLOCKS_PLACE, agent=agent, server=server)
    with pytest.raises(Forbidden, match="limited"):
        limited.require_all(Right.BLOCKS_LIFT)


def test_no_names_at_all_are_no_agent_at_all() -> None:
    nobody = operator(Role.OWNER, agents=())
    with pytest.raises(Forbidden):
        nobody.require_agent(Right.KEYS_CREATE, "ci")
    with pytest.raises(Forbidden):
        nobody.require_within(Right.BLOCKS_PLACE, agent="ci", server="crm")


def test_limits_give_no_right() -> None:
    with pytest.raises(Forbidden, match="keys:create"):
        operator(Role.VIEWER, agents=("*",)).require_agent(Right.KEYS_CREATE, "ci")


def test_the_record_names_who_and_how() -> None:
    assert operator(Role.OWNER).actor == Actor("anna", "api")
