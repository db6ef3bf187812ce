from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.identity import delegation
from doorward.identity.delegation import Link
from doorward.model.principal import ActorKind

ISSUER = "https://id.example.com"


def test_nobody_acts_where_nobody_is_said_to() -> None:
    assert delegation.chain(None, ISSUER) == ()


def test_the_outermost_actor_is_the_current_one() -> None:
    said = {
        "sub": "planner",
        "client_id": "p1",
        "sub_profile": "ai_agent",
        "act": {"sub": "https://svc.example", "iss": "https://other.example"},
    }
    inner = {"sub": "https://svc.example", "iss": "https://other.example"}
    assert delegation.chain(said, ISSUER) == (
        Link(ISSUER, "planner", "p1", ActorKind.AGENT, {name: said[name] for name in said if name != "act"}),
        Link("https://other.example", "https://svc.example", None, ActorKind.UNKNOWN, inner),
    )


def test_a_client_that_acts_is_its_own_subject() -> None:
    assert delegation.chain({"client_id": "c"}, ISSUER)[0].subject == "c"
    assert delegation.chain({"azp": "c"}, ISSUER)[0].client == "c"


@pytest.mark.parametrize(
    ("profile", "kind"),
    [
        (None, ActorKind.UNKNOWN),
        ("user", ActorKind.HUMAN),
        ("service", ActorKind.SERVICE),
        ("ai_agent", ActorKind.AGENT),
        ("ai_agent agent", ActorKind.AGENT),
        ("ai_agent user", ActorKind.UNKNOWN),
        ("superuser", ActorKind.UNKNOWN),
    ],
)
def test_who_is_not_said_to_be_something_is_unknown(profile: str | None, kind: ActorKind) -> None:
    said = {"sub": "s"} | ({} if profile is None else {"sub_profile": profile})
    assert delegation.chain(said, ISSUER)[0].kind is kind


@pytest.mark.parametrize(
    "said",
    [
        "agent",
        1,
        [],
        [{"sub": "a"}],
        True,
        {},
        {"sub": ""},
        {"sub": 1},
        {"sub": "a\n"},
        {"sub": "a", "iss": 1},
        {"sub": "a", "iss": ""},
        {"sub": "a", "client_id": ["c"]},
        {"sub": "a", "sub_profile": 1},
        {"sub": "a", "act": None},
        {"sub": "a", "act": "b"},
        {"sub": "a", "act": {"act": {"sub": "c"}}},
    ],
)
def test_a_chain_that_cannot_be_read_is_said_to_be_one(said: Any) -> None:
    with pytest.raises(ValueError, match=r"^delegation asserted but unreadable: "):
        delegation.chain(said, ISSUER)


@given(st.integers(1, 30))
def test_ten_actors_are_read_and_no_more(count: int) -> None:
    said: dict[str, Any] = {"sub": "0"}
    for number in range(1, count):
        said = {"sub": str(number), "act": said}
    if count <= delegation.MAX_DEPTH:
        found = [link.subject for link in delegation.chain(said, ISSUER)]
        assert found == [str(number) for number in reversed(range(count))]
    else:
        with pytest.raises(ValueError, match="more than 10 actors"):
            delegation.chain(said, ISSUER)
