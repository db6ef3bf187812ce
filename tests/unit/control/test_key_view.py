"""What a key is worth, and who says so (control/key_view.py)."""

import json

import pytest
from msgspec.structs import replace

from doorward.backends.memory.store import MemoryStore
from doorward.control.errors import Forbidden, Unknown
from doorward.control.key_view import Effective, Limit, as_json, effective, show_key, state
from doorward.control.keys import Wanted
from doorward.control.roles import Operator, Role
from doorward.model.reasons import Reason
from doorward.ports.secrets import VersionEnded
from doorward.ports.store import KeyRecord
from tests.contract.store import RECORD
from tests.unit.control.key_house import ANNA, BEA, NOW, TEXT, Ring, configured, limited, made, record_of

CI = replace(RECORD, agent="ci")


def seen(key: KeyRecord, *operators: Operator, text: str = TEXT) -> Effective:
    return effective(key, {each.id: record_of(each) for each in operators}, configured(text), NOW)


def test_everything_that_the_agent_has_is_shown_with_its_place() -> None:
    limits = seen(CI).limits
    assert limits == (
        Limit("servers", ("git*",), "agent:ci", "doorward.yaml:10"),
        Limit("tools", ("get_*", "list_issues"), "agent:ci", "doorward.yaml:12"),
        Limit("deny tools", ("get_secret",), "agent:ci", "doorward.yaml:13"),
        Limit("servers", ("docs",), "agent:ci", "doorward.yaml:15"),
        Limit("tools", ("*",), "agent:ci", "doorward.yaml:16"),
        Limit("resources", ("doc://*",), "agent:ci", "doorward.yaml:17"),
        Limit("rate", "100/min", "agent:ci", "doorward.yaml:9"),
        Limit("expires", None, "key", None),
    )


def test_then_what_the_key_and_its_creator_say() -> None:
    key = replace(
        CI,
        creator_id=BEA.id,
        servers=("git", "docs"),
        tools=("get_*",),
        read_only=True,
        rate="10/min",
        networks=("10.0.0.0/8",),
        expires_at=NOW + 90,
    )
    shown = seen(key, limited(BEA, servers=("git*",), expires_at=NOW + 50))
    assert [limit for limit in shown.limits if not limit.of.startswith("agent:")] == [
        Limit("servers", ("git", "docs"), "key"),
        Limit("tools", ("get_*",), "key"),
        Limit("rate", "10/min", "key"),
        Limit("networks", ("10.0.0.0/8",), "key"),
        Limit("read_only", True, "key"),
        Limit("expires", NOW + 90, "key"),
        Limit("servers", ("git*",), "creator:bea"),
        Limit("expires", NOW + 50, "creator:bea"),
    ]
    assert (shown.state, shown.servers, shown.rate, shown.expires_at) == (
        "live",
        ("git",),
        "10/min",
        NOW + 50,
    )


@pytest.mark.parametrize(
    ("servers", "left"),
    [
        (None, ("git", "git-hub", "docs")),
        (("git",), ("git",)),
        (("*-hub", "docs"), ("git-hub", "docs")),
        (("crm",), ()),
        ((), ()),
    ],
)
def test_the_servers_that_are_left(servers: tuple[str, ...] | None, left: tuple[str, ...]) -> None:
    assert seen(replace(CI, servers=servers)).servers == left


@pytest.mark.parametrize(
    ("rate", "left"), [(None, "100/min"), ("10/min", "10/min"), ("1000/min", "100/min"), ("2/s", "100/min")]
)
def test_the_slower_rate_holds(rate: str | None, left: str) -> None:
    assert seen(replace(CI, rate=rate)).rate == left


@pytest.mark.parametrize(
    ("key", "operators", "said"),
    [
        (CI, (), ("live", None)),
        (replace(CI, revoked_at=NOW - 1), (), ("revoked", None)),
        (replace(CI, expires_at=NOW), (), ("expired", None)),
        (replace(CI, agent="gone"), (), ("suspended", "the configuration has no agent gone")),
        (replace(CI, creator_id=BEA.id), (BEA,), ("live", None)),
        (
            replace(CI, creator_id=BEA.id),
            (limited(BEA, role=Role.VIEWER),),
            ("suspended", "bea, who made the key, is viewer now, who hands out no keys"),
        ),
        (
            replace(CI, creator_id=BEA.id, created_by="bea"),
            (ANNA,),
            ("suspended", "bea, who made the key, is no operator any more"),
        ),
    ],
)
def test_what_became_of_a_key(
    key: KeyRecord, operators: tuple[Operator, ...], said: tuple[str, str | None]
) -> None:
    shown = seen(key, *operators)
    assert (shown.state, shown.cause) == said
    assert state(key, {each.id: record_of(each) for each in operators}, configured(), NOW) == said[0]
    assert bool(shown.servers) is (said[0] == "live")


def test_an_agent_that_may_do_everything_has_no_rate() -> None:
    shown = seen(replace(CI, agent="dev-1"))
    assert (shown.rate, shown.servers) == (None, ("git", "git-hub", "crm", "docs"))


def test_it_is_shown_to_those_who_have_to_do_with_its_agent() -> None:
    store = MemoryStore()
    key = made(store, Wanted(agent="ci", rate="1/min")).record
    store.add_operator(record_of(ANNA), b"{}")
    shown = show_key(store, Ring(), configured(), key.id, by=ANNA, now=NOW)
    assert (shown.record, shown.state, shown.rate) == (key, "live", "1/min")
    with pytest.raises(Forbidden):
        show_key(store, Ring(), configured(), key.id, by=limited(BEA, agents=("dev-*",)), now=NOW)
    with pytest.raises(Forbidden):
        show_key(store, Ring(), configured(), key.id, by=limited(BEA, role=Role.VIEWER), now=NOW)
    with pytest.raises(Unknown):
        show_key(store, Ring(), configured(), "AAAAAAAAAAAA", by=ANNA, now=NOW)


def test_programs_get_all_of_it_and_no_digest() -> None:
    key = replace(CI, digest=b"\xab" * 32, rate="1/min", last_used_at=NOW - 1)
    said = json.loads(json.dumps(as_json(seen(key))))
    assert (said["id"], said["state"], said["last_used_at"]) == (CI.id, "live", NOW - 1)
    assert said["effective"] == {
        "servers": ["git", "git-hub", "docs"],
        "read_only": False,
        "rate": "1/min",
        "networks": None,
        "expires_at": None,
    }
    assert said["limits"][0] == {
        "what": "servers", "value": ["git*"], "of": "agent:ci", "at": "doorward.yaml:10",
    }  # fmt: skip
    assert "digest" not in said
    assert "ab" * 32 not in str(said)


class Ended(Ring):
    """Its pepper counts no longer."""

    def version(self, purpose: str, number: int) -> bytes:
        raise VersionEnded(Reason.STORE_UNAVAILABLE, f"{purpose} {number}")


def test_a_key_whose_pepper_was_ended_is_suspended_until_it_is_rotated() -> None:
    store = MemoryStore()
    store.add_operator(record_of(ANNA), b"")
    key = made(store, Wanted(agent="ci")).record
    shown = show_key(store, Ended(), configured(), key.id, by=ANNA, now=NOW)
    assert (shown.state, shown.servers) == ("suspended", ())
    assert "keys rotate" in (shown.cause or "")
    assert state(key, {ANNA.id: record_of(ANNA)}, configured(), NOW, frozenset({4})) == "suspended"
    assert state(key, {ANNA.id: record_of(ANNA)}, configured(), NOW, frozenset({3})) == "live"
    assert show_key(store, Ring(), configured(), key.id, by=ANNA, now=NOW).state == "live"
