"""What a key leaves of its agent's authority (identity/narrow.py)."""

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from doorward.control.roles import RIGHTS, Right
from doorward.identity import keys
from doorward.identity.narrow import HANDS_OUT, Narrowed, Networks, narrow, proves
from doorward.model.bounds import Narrowing, Rate
from doorward.model.errors import CallerError, GatewayError
from doorward.model.grants import AgentRules, PolicySpec
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Definition, Kind, OperationClass, Target
from doorward.model.verdict import Allow, Mode
from doorward.policy.engine import Engine
from doorward.ports.store import KeyRecord, OperatorRecord, Previous
from tests.contract.store import OPERATOR, RECORD
from tests.unit.policy.build import grant, scope

NOW = 1_790_000_010.0
ANNA = replace(OPERATOR, role="operator", agents=None, servers=None, expires_at=None)
HERS = replace(RECORD, creator_id=ANNA.id, created_by="anna")


def narrowed(key: KeyRecord, operators: Iterable[OperatorRecord] = ()) -> Narrowed:
    return narrow(key, {operator.id: operator for operator in operators}, NOW)


def refused(key: KeyRecord, operators: Iterable[OperatorRecord] = ()) -> str:
    with pytest.raises(CallerError) as caught:
        narrowed(key, operators)
    assert caught.value.reason is Reason.KEY_SUSPENDED
    return caught.value.message


def test_a_key_of_before_narrows_nothing() -> None:
    assert narrowed(RECORD) == Narrowed(None, None, None, math.inf)


def test_a_key_says_what_it_leaves() -> None:
    key = replace(
        RECORD, servers=("git*",), tools=("get_*",), read_only=True, rate="100/min", expires_at=NOW + 60
    )
    found = narrowed(key)
    assert found.bounds is not None
    assert found.bounds.narrowings == (Narrowing("key", ("git*",), ("get_*",), True),)
    assert (found.bounds.people, found.bounds.agents, found.bounds.scopes) == ((), (), None)
    assert (found.rate, found.networks, found.until) == (Rate(100, 60.0), None, NOW + 60)


@pytest.mark.parametrize("limit", [{"servers": ()}, {"tools": ()}, {"read_only": True}])
def test_each_limit_alone_is_one(limit: dict[str, object]) -> None:
    found = narrowed(replace(RECORD, **limit))
    assert found.bounds is not None
    [narrowing] = found.bounds.narrowings
    assert {name: getattr(narrowing, name) for name in limit} == limit


def test_a_creator_without_limits_narrows_nothing() -> None:
    assert narrowed(HERS, [ANNA]).bounds is None


def test_the_servers_of_the_creator_narrow_as_they_are_now() -> None:
    key = replace(HERS, servers=("git", "crm"))
    found = narrowed(key, [replace(ANNA, servers=("git*",))])
    assert found.bounds is not None
    assert found.bounds.narrowings == (
        Narrowing("key", ("git", "crm")),
        Narrowing("creator:anna", ("git*",)),
    )


@pytest.mark.parametrize("role", sorted(HANDS_OUT))
def test_roles_that_hand_out_keys(role: str) -> None:
    assert narrowed(HERS, [replace(ANNA, role=role)]).bounds is None


def test_they_are_those_that_have_the_right() -> None:
    assert {role.value for role, rights in RIGHTS.items() if Right.KEYS_CREATE in rights} == HANDS_OUT


@pytest.mark.parametrize(
    ("operator", "word"),
    [
        (replace(ANNA, removed_at=NOW - 1), "no operator"),
        (replace(ANNA, id="op_ZZZZZZZZZZZZ"), "no operator"),
        (replace(ANNA, role="auditor"), "auditor"),
        (replace(ANNA, role="approver"), "approver"),
        (replace(ANNA, role="viewer"), "viewer"),
        (replace(ANNA, role="king"), "king"),
        (replace(ANNA, role="Owner"), "Owner"),
        (replace(ANNA, expires_at=NOW), "over"),
        (replace(ANNA, agents=("ci", "dev-*")), "agent coder"),
        (replace(ANNA, agents=()), "agent coder"),
    ],
)
def test_a_key_is_suspended_when_its_creator_could_not_make_it_now(
    operator: OperatorRecord, word: str
) -> None:
    assert word in refused(HERS, [operator])


def test_it_lives_again_when_its_creator_may_again() -> None:
    refused(HERS, [replace(ANNA, agents=("ci",))])
    assert narrowed(HERS, [replace(ANNA, agents=("ci", "cod*"))]).bounds is None


def test_a_key_ends_with_the_time_of_its_creator() -> None:
    ending = replace(ANNA, expires_at=NOW + 5)
    assert narrowed(HERS, [ending]).until == NOW + 5
    assert narrowed(replace(HERS, expires_at=NOW + 2), [ending]).until == NOW + 2
    assert narrowed(replace(HERS, expires_at=NOW + 9), [ending]).until == NOW + 5


@pytest.mark.parametrize("limit", [{"rate": "fast"}, {"rate": ""}, {"networks": ("10.0.0.0/99",)}])
def test_what_cannot_be_read_suspends(limit: dict[str, object]) -> None:
    assert "cannot be read" in refused(replace(RECORD, **limit))


@pytest.mark.parametrize(
    ("networks", "peer", "inside"),
    [
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "11.1.2.3", False),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("2001:db8::/32",), "2001:db8::1%eth0", True),
        (("2001:db8::/32",), "10.1.2.3", False),
        (("192.0.2.7",), "192.0.2.7", True),
        (("0.0.0.0/0",), "unix", False),
        (("unix",), "unix", True),
        (("unix",), "127.0.0.1", False),
        (("0.0.0.0/0", "::/0"), "stdio", False),
        (("0.0.0.0/0",), "", False),
        ((), "127.0.0.1", False),
    ],
)
def test_networks(networks: tuple[str, ...], peer: str, inside: bool) -> None:
    assert (peer in Networks.parse(networks)) is inside
    held = narrowed(replace(RECORD, networks=networks)).networks
    assert held is not None
    assert (peer in held) is inside


class Ring:
    """Has peppers 1 and 2."""

    def current(self, purpose: str) -> tuple[int, bytes]:
        return 2, self.version(purpose, 2)

    def version(self, purpose: str, number: int) -> bytes:
        if number not in (1, 2):
            raise GatewayError(Reason.STORE_UNAVAILABLE, "gone")
        return bytes([number]) * 32


def rotated(until: float) -> KeyRecord:
    old = Previous(keys.digest(b"\1" * 32, "old"), 1, until)
    return replace(RECORD, digest=keys.digest(b"\2" * 32, "new"), pepper_version=2, previous=old)


def test_the_present_secret_proves_for_good() -> None:
    assert proves(rotated(NOW + 60), "new", Ring(), NOW) == math.inf


def test_the_previous_secret_proves_until_the_overlap_ends() -> None:
    assert proves(rotated(NOW + 60), "old", Ring(), NOW) == NOW + 60
    assert proves(rotated(NOW), "old", Ring(), NOW) is None


@pytest.mark.parametrize("secret", ["", "newer", "old" * 20])
def test_any_other_secret_proves_nothing(secret: str) -> None:
    assert proves(rotated(NOW + 60), secret, Ring(), NOW) is None
    assert proves(replace(rotated(NOW), previous=None), secret, Ring(), NOW) is None


def test_a_missing_pepper_is_an_error_and_no_wrong_secret() -> None:
    with pytest.raises(GatewayError, match="gone"):
        proves(replace(RECORD, pepper_version=7), "new", Ring(), NOW)


TOOLS = ("get_issue", "list_issues", "delete_repo")
SERVERS = ("git", "crm")
globs = st.sampled_from(["*", "get_*", "delete_repo", "git", "g*", "crm/*", "git/get_*", "c*"])
limit = st.none() | st.lists(globs, max_size=3).map(tuple)


def engine() -> Engine:
    grants = (
        grant(
            servers=["git"], tools=scope(["get_*", "delete_repo"], ["delete_*"]), resources=scope(["doc://*"])
        ),
        grant(servers=["crm"], tools=scope(["*"]), prompts=scope(["greet"])),
    )
    spec = PolicySpec({"coder": AgentRules("coder", grants)}, dict.fromkeys(SERVERS, Mode.ENFORCE), "r1")
    return Engine.build(spec, {server: [tool(server, name) for name in TOOLS] for server in SERVERS})


def tool(server: str, name: str) -> Definition:
    listed = {"name": name, "inputSchema": {"type": "object"}}
    op_class = OperationClass.READ if name.startswith("get_") else OperationClass.WRITE
    return Definition(server, Kind.TOOL, name, listed, "0" * 64, op_class)


ENGINE = engine()
TARGETS = [
    *(
        Target(server, Kind.TOOL, name, tool(server, name).op_class, tool(server, name))
        for server in SERVERS
        for name in TOOLS
    ),
    Target("git", Kind.RESOURCE, "doc://a", OperationClass.READ),
]


@given(limit, limit, st.booleans(), limit)
def test_what_a_key_or_its_creator_leaves_is_never_more(
    servers: tuple[str, ...] | None,
    tools: tuple[str, ...] | None,
    read_only: bool,
    creators: tuple[str, ...] | None,
) -> None:
    plain = Principal("default", "alice", "coder", "key", "K")
    key = replace(HERS, servers=servers, tools=tools, read_only=read_only)
    wide = replace(plain, bounds=narrowed(replace(HERS, servers=servers, tools=tools), [ANNA]).bounds)
    held = replace(plain, bounds=narrowed(key, [replace(ANNA, servers=creators)]).bounds)
    for target in TARGETS:
        for arguments in (None, {}):
            before, between, after = (
                isinstance(ENGINE.decide(who, target, arguments), Allow) for who in (plain, wide, held)
            )
            assert after <= between <= before
