"""Whose a session is follows from who asks, and from nothing else."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from doorward.model.bounds import Bounds
from doorward.model.principal import Actor, ActorKind, Principal

TEXT = st.text(alphabet="ab|%7C25", max_size=6)
KEY = Principal("default", "anna", "coder", "key", "k1")
TOKEN = Principal("default", "anna", "coder", "jwt", client="app", issuer="https://id.example")


def test_a_key_of_the_same_name_and_agent_is_the_same_owner() -> None:
    assert KEY.owner == "default|anna|coder" == replace(KEY, key_id="k2").owner


def test_a_token_is_never_the_owner_of_what_a_key_began() -> None:
    assert TOKEN.owner == "default|https://id.example|anna|app|coder" != KEY.owner


def test_another_token_of_the_same_grant_is_the_same_owner() -> None:
    later = replace(
        TOKEN, token_id="j2", session_id="s", expires_at=5.0, groups=frozenset({"g"}), bounds=Bounds()
    )
    assert later.owner == TOKEN.owner


def test_owners_follow_every_change_of_identity() -> None:
    changes = {
        "tenant": "t",
        "issuer": "https://other.example",
        "subject": "otto",
        "client": "x",
        "agent": "b",
    }
    owners = {TOKEN.owner, *(replace(TOKEN, **{name: text}).owner for name, text in changes.items())}
    assert len(owners) == 6


@given(st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT), st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT))
def test_no_two_identities_share_an_owner(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    def made(parts: tuple[str, ...]) -> Principal:
        tenant, subject, agent, client, issuer = parts
        return Principal(tenant, subject, agent, "jwt", client=client or None, issuer=issuer)

    same = made(one) == made(other)
    assert (made(one).owner == made(other).owner) is same


def test_what_is_said_of_whom() -> None:
    assert KEY.scopes is None
    assert replace(KEY, bounds=Bounds(scopes=frozenset({"read"}))).scopes == {"read"}
    assert KEY.budget_owner == "agent:coder"
    assert replace(KEY, team="platform").budget_owner == "team:platform"
    assert Actor("https://id.example", "x").kind is ActorKind.UNKNOWN
