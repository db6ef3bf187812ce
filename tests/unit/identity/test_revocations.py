"""Who is blocked: sets that answer at once, against one plain reading of each block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.identity.revocations import PARTIES, Blocked, concerns
from doorward.model.principal import Actor, Principal
from doorward.model.reasons import Reason
from doorward.ports.store import BlockRecord

ISSUERS = ("", "https://a.example", "https://b.example")
NAMES = ("a", "b", "c")
KINDS = ("server", "agent", "key", "user", "client", "jti", "sid")

names = st.sampled_from(NAMES)
actors = st.builds(
    Actor,
    issuer=st.sampled_from(ISSUERS[1:]),
    subject=names,
    client=st.none() | names,
    agent=st.none() | names,
)
principals = st.builds(
    Principal,
    tenant=st.just("default"),
    subject=names,
    agent=names,
    method=st.just("jwt"),
    key_id=st.none() | names,
    actors=st.lists(actors, max_size=3).map(tuple),
    client=st.none() | names,
    issuer=st.sampled_from(ISSUERS),
    token_id=st.none() | names,
    session_id=st.none() | names,
)
blocks = st.builds(
    BlockRecord,
    id=st.just("bl_0"),
    kind=st.sampled_from(KINDS),
    value=names,
    reason=st.just(""),
    created_at=st.just(0.0),
    created_by=st.just("anna"),
    issuer=st.none() | st.sampled_from(ISSUERS[1:]),
).filter(lambda block: block.issuer is None or block.kind in ("user", "client", "jti", "sid"))


@given(st.lists(blocks, max_size=5), principals)
def test_the_sets_say_what_each_block_says(found: list[BlockRecord], principal: Principal) -> None:
    meant = {one.kind for one in found if concerns(one.kind, one.value, one.issuer, principal)}
    held = Blocked(found).holds(principal)
    if not meant:
        assert held is None
    else:
        assert held is (Reason.BLOCKED if meant - {"jti", "sid"} else Reason.CREDENTIAL_REVOKED)
    assert Blocked(found).servers == {one.value for one in found if one.kind == "server"}


@given(st.lists(blocks, max_size=5), blocks, principals)
def test_one_block_more_lets_nobody_in(
    found: list[BlockRecord], more: BlockRecord, principal: Principal
) -> None:
    if Blocked(found).holds(principal) is not None:
        assert Blocked([*found, more]).holds(principal) is not None


CHAIN = Principal(
    "default",
    "anna",
    "front",
    "jwt",
    issuer=ISSUERS[1],
    client="app",
    actors=(
        Actor(ISSUERS[1], "near"),
        Actor(ISSUERS[2], "middle", client="machine", agent="helper"),
        Actor(ISSUERS[1], "far"),
    ),
)


@pytest.mark.parametrize(
    ("kind", "value", "issuer", "meant"),
    [
        ("user", "anna", None, True),
        ("user", "anna", ISSUERS[1], True),
        ("user", "anna", ISSUERS[2], False),
        ("user", "middle", ISSUERS[2], True),
        ("client", "machine", None, True),
        ("client", "far", None, True),  # an actor without a client is its own
        ("client", "middle", None, False),
        ("agent", "helper", None, True),
        ("agent", "front", None, True),
        ("agent", "anna", None, False),
        ("server", "anna", None, False),
    ],
)
def test_a_party_is_meant_wherever_it_stands(kind: str, value: str, issuer: str | None, meant: bool) -> None:
    assert concerns(kind, value, issuer, CHAIN) is meant


def test_a_key_is_no_user_of_its_name() -> None:
    key = Principal("default", "build", "ci", "key", "0123456789AB")
    assert not concerns("user", "build", None, key)
    assert concerns("key", "0123456789AB", None, key)
    assert {kind for kind in KINDS if kind != "server"} == PARTIES
