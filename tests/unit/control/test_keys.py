"""Making, changing, rotating and revoking keys (control/keys.py)."""

import json
import threading
from typing import Any

import pytest
from msgspec.structs import replace

from doorward.backends.memory.store import MemoryStore
from doorward.control.errors import Conflict, Forbidden, Unknown
from doorward.control.keys import (
    LONGEST_OVERLAP_S,
    OVERLAP_S,
    Change,
    Wanted,
    change_key,
    find_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from doorward.control.roles import Operator, Role
from doorward.identity import keys
from doorward.identity.narrow import proves
from doorward.ports.store import KeyRecord, Previous
from tests.unit.control.key_house import ANNA, BEA, DAY, NOW, Ring, configured, limited, made

CI = Wanted(agent="ci")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def changes(store: MemoryStore) -> list[dict[str, Any]]:
    return [json.loads(entry.record) for entry in store.outbox(0, 100)]


def changed(store: MemoryStore, key_id: str, change: Change, by: Operator = ANNA) -> KeyRecord:
    return change_key(store, configured(), key_id, change, by=by, now=NOW + 1)


def rotated(store: MemoryStore, key_id: str, by: Operator = ANNA, **how: Any) -> tuple[KeyRecord, str]:
    found = rotate_key(store, Ring(), configured(), key_id, by=by, **({"now": NOW + 1} | how))
    return found.record, found.text


def test_a_created_key_is_stored_without_its_secret(store: MemoryStore) -> None:
    key = made(store, CI)
    secret = keys.parse(key.text).secret
    assert store.keys() == [key.record]
    assert proves(key.record, secret, Ring(), NOW) is not None
    assert (key.record.pepper_version, key.record.created_by, key.record.creator_id) == (4, "anna", ANNA.id)
    assert secret.encode() not in store.outbox(0, 10)[0].record


def test_a_key_narrows_nothing_and_lives_90_days_unless_told_otherwise(store: MemoryStore) -> None:
    record = made(store, CI).record
    assert (record.servers, record.tools, record.read_only, record.rate, record.networks) == (
        None, None, False, None, None,
    )  # fmt: skip
    assert (record.name, record.environment, record.expires_at) == ("ci", "live", NOW + 90 * DAY)


def test_a_key_says_what_it_was_told(store: MemoryStore) -> None:
    record = made(
        store,
        Wanted(
            agent="ci",
            name="build",
            environment="test",
            servers=("git", "git"),
            tools=("get_issue", "git/get_*"),
            read_only=True,
            rate="10/min",
            networks=("10.0.0.0/8", "192.0.2.7", "unix"),
            expires_at=NOW + 5,
        ),
    ).record
    assert (record.name, record.environment, record.servers) == ("build", "test", ("git",))
    assert (record.tools, record.read_only) == (("get_issue", "git/get_*"), True)
    assert (record.rate, record.expires_at) == ("10/min", NOW + 5)
    assert record.networks == ("10.0.0.0/8", "192.0.2.7/32", "unix")


def test_creation_leaves_its_change_record(store: MemoryStore) -> None:
    record = made(store, Wanted(agent="ci", rate="10/min")).record
    [change] = changes(store)
    assert (change["kind"], change["action"], change["object"]) == (
        "change",
        "key:create",
        f"key:{record.id}",
    )
    assert change["actor"] == {"subject": "anna", "method": "cli"}
    assert (change["after"]["agent"], change["after"]["rate"]) == ("ci", "10/min")
    assert "before" not in change
    assert record.digest.hex() not in str(change)


def test_somebody_who_is_no_operator_is_no_creator(store: MemoryStore) -> None:
    record = made(store, CI, Operator("", "root", Role.OWNER, "cli")).record
    assert (record.creator_id, record.created_by) == (None, "root")


@pytest.mark.parametrize("name", ["a|b", "a b", "-a", "a\n", "x" * 65, "é"])
def test_refuses_names_that_cannot_be_a_subject(store: MemoryStore, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        made(store, Wanted(agent="ci", name=name))
    assert store.keys() == []


@pytest.mark.parametrize("expires_at", [NOW, NOW - 1, float("inf"), float("nan")])
def test_refuses_an_expiry_that_is_not_in_the_future(store: MemoryStore, expires_at: float) -> None:
    with pytest.raises(ValueError, match="expires"):
        made(store, Wanted(agent="ci", expires_at=expires_at))
    assert store.epoch() == 0


def test_refuses_an_unknown_environment(store: MemoryStore) -> None:
    with pytest.raises(ValueError, match="prod"):
        made(store, Wanted(agent="ci", environment="prod"))


@pytest.mark.parametrize("agent", ["", "nobody", "@people/0"])
def test_refuses_an_agent_that_is_not_configured(store: MemoryStore, agent: str) -> None:
    with pytest.raises(Unknown, match="no agent is named"):
        made(store, Wanted(agent=agent))


@pytest.mark.parametrize("role", [Role.APPROVER, Role.AUDITOR, Role.VIEWER])
def test_who_may_not_hand_out_keys_does_not(store: MemoryStore, role: Role) -> None:
    key = made(store, CI).record
    who = limited(BEA, role=role)
    for doing in (
        lambda: made(store, CI, who),
        lambda: changed(store, key.id, Change(rate="1/s"), who),
        lambda: rotated(store, key.id, who),
        lambda: revoke_key(store, key.id, by=who, now=NOW),
    ):
        with pytest.raises(Forbidden, match=role):
            doing()
    assert store.keys() == [key]


def test_only_owners_make_keys_that_never_end(store: MemoryStore) -> None:
    endless = Wanted(agent="ci", expires_at=None)
    assert made(store, endless).record.expires_at is None
    with pytest.raises(Forbidden, match="keys:endless"):
        made(store, endless, BEA)
    ending = made(store, CI, BEA).record
    with pytest.raises(Forbidden, match="keys:endless"):
        changed(store, ending.id, Change(expires_at=None), BEA)
    with pytest.raises(Forbidden, match="keys:endless"):
        rotated(store, ending.id, BEA, expires_at=None)


def test_a_key_does_not_outlive_the_time_of_who_makes_it(store: MemoryStore) -> None:
    guest = limited(BEA, expires_at=NOW + 30 * DAY)
    assert made(store, CI, guest).record.expires_at == NOW + 30 * DAY
    assert made(store, Wanted(agent="ci", expires_at=NOW + DAY), guest).record.expires_at == NOW + DAY
    with pytest.raises(Forbidden, match="outlive"):
        made(store, Wanted(agent="ci", expires_at=NOW + 31 * DAY), guest)
    with pytest.raises(Forbidden, match="outlive"):
        made(store, Wanted(agent="ci", expires_at=None), replace(guest, role=Role.OWNER))


def test_a_limited_operator_sees_and_touches_keys_of_its_agents_only(store: MemoryStore) -> None:
    dev, ci = made(store, Wanted(agent="dev-1"), now=NOW - 1).record, made(store, CI).record
    who = limited(BEA, agents=("dev-*",))
    assert list_keys(store, by=who) == [dev]
    assert list_keys(store, by=BEA) == [dev, ci]
    assert find_key(store, dev.id, by=who) == dev
    changed(store, dev.id, Change(rate="1/s"), who)
    for doing in (
        lambda: made(store, CI, who),
        lambda: find_key(store, ci.id, by=who),
        lambda: changed(store, ci.id, Change(rate="1/s"), who),
        lambda: rotated(store, ci.id, who),
        lambda: revoke_key(store, ci.id, by=who, now=NOW),
    ):
        with pytest.raises(Forbidden, match="agent 'ci'"):
            doing()


def test_an_operator_hands_out_its_own_servers_only(store: MemoryStore) -> None:
    who = limited(BEA, servers=("git*",))
    assert made(store, Wanted(agent="dev-1"), who).record.servers is None  # the creator's hold for it anyway
    assert made(store, Wanted(agent="dev-1", servers=("git",)), who).record.servers == ("git",)
    for servers in (("crm",), ("git", "crm"), ("c*",)):
        with pytest.raises(Forbidden, match="server 'crm'"):
            made(store, Wanted(agent="dev-1", servers=servers), who)


def test_an_operator_does_not_widen_or_take_keys_that_reach_beyond_its_servers(store: MemoryStore) -> None:
    who = limited(BEA, servers=("git*",))
    wide, near = (
        made(store, Wanted(agent="dev-1"), now=NOW - 1).record,
        made(store, Wanted(agent="dev-1", servers=("git",))).record,
    )
    for doing in (
        lambda: changed(store, wide.id, Change(servers=("git",)), who),
        lambda: rotated(store, wide.id, who),
        lambda: changed(store, near.id, Change(servers=None), who),
        lambda: changed(store, near.id, Change(servers=("crm",)), who),
        lambda: changed(store, near.id, Change(servers=("g*",)), who),
    ):
        with pytest.raises(Forbidden, match="further than bea"):
            doing()
    assert store.keys() == [wide, near]
    assert changed(store, near.id, Change(servers=("git-*",), rate="1/s"), who).servers == ("git-*",)
    assert rotated(store, near.id, who)[0].previous is not None
    assert revoke_key(store, wide.id, by=who, now=NOW + 1).revoked_at == NOW + 1


def test_a_change_touches_what_it_names_only(store: MemoryStore) -> None:
    key = made(store, Wanted(agent="ci", servers=("git",), tools=("get_*",), rate="10/min")).record
    after = changed(store, key.id, Change(rate="5/min", read_only=True, tools=None))
    assert after == replace(key, rate="5/min", read_only=True, tools=None, revision=1)
    assert store.keys() == [after]
    change = changes(store)[-1]
    assert (change["action"], change["object"]) == ("key:change", f"key:{key.id}")
    assert (change["before"]["rate"], change["after"]["rate"]) == ("10/min", "5/min")
    assert (change["before"]["tools"], change["after"]["tools"]) == (["get_*"], None)


def test_a_change_that_changes_nothing_leaves_no_record(store: MemoryStore) -> None:
    key = made(store, Wanted(agent="ci", rate="10/min")).record
    assert changed(store, key.id, Change(rate="10/min")) == key
    assert changed(store, key.id, Change()) == key
    assert len(changes(store)) == 1


def test_what_is_left_as_it_was_need_not_fit_a_configuration_that_shrank(store: MemoryStore) -> None:
    key = made(store, Wanted(agent="dev-1", servers=("crm",), tools=("crm/x",))).record
    shrunk = configured("version: 1\nagents: {dev-1: {}}\n")
    after = change_key(store, shrunk, key.id, Change(rate="1/s"), by=ANNA, now=NOW + 1)
    assert (after.servers, after.rate) == (("crm",), "1/s")
    gone = configured("version: 1\n")
    assert change_key(store, gone, key.id, Change(read_only=True), by=ANNA, now=NOW + 1).read_only


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (Change(servers=("crm",)), "crm"),
        (Change(tools=("git/drop_*",)), "drop_"),
        (Change(rate="1000/min"), "1000/min"),
        (Change(rate="fast"), "rate"),
        (Change(networks=("10.0.0.1/8",)), "10.0.0.0/8"),
        (Change(expires_at=NOW), "future"),
        (Change(servers=()), "revoked"),
    ],
)
def test_a_change_is_judged_like_a_new_key(store: MemoryStore, change: Change, word: str) -> None:
    key = made(store, CI).record
    with pytest.raises(ValueError, match=word):
        changed(store, key.id, change)
    assert store.keys() == [key]


def test_an_expired_key_lives_again_when_it_is_told_to(store: MemoryStore) -> None:
    key = made(store, Wanted(agent="ci", expires_at=NOW + 1)).record
    after = change_key(store, configured(), key.id, Change(expires_at=NOW + 90), by=ANNA, now=NOW + 5)
    assert after.expires_at == NOW + 90


def test_a_guest_takes_no_secret_along_that_outlives_its_time(store: MemoryStore) -> None:
    guest = limited(BEA, expires_at=NOW + DAY)
    endless, long = (
        made(store, Wanted(agent="ci", expires_at=ends)).record for ends in (None, NOW + 30 * DAY)
    )
    for key in (endless, long):
        with pytest.raises(Forbidden, match="outlive the time of bea"):
            rotated(store, key.id, guest)
        assert rotated(store, key.id, guest, expires_at=NOW + DAY)[0].expires_at == NOW + DAY
    own = made(store, CI, guest).record
    assert rotated(store, own.id, guest)[0].expires_at == own.expires_at


def test_a_revoked_key_is_neither_changed_nor_rotated(store: MemoryStore) -> None:
    key = made(store, CI).record
    revoke_key(store, key.id, by=ANNA, now=NOW)
    with pytest.raises(Conflict, match="revoked"):
        changed(store, key.id, Change(rate="1/s"))
    with pytest.raises(Conflict, match="revoked"):
        rotated(store, key.id)


def test_rotation_gives_a_new_secret_and_the_old_one_a_day(store: MemoryStore) -> None:
    old = made(store, Wanted(agent="ci", environment="test", rate="10/min"))
    new, text = rotated(store, old.record.id)
    parsed = keys.parse(text)
    assert (parsed.id, parsed.environment) == (old.record.id, "test")
    assert text != old.text
    assert new.previous == Previous(old.record.digest, 4, NOW + 1 + OVERLAP_S)
    assert (new.expires_at, new.rate, new.revision) == (old.record.expires_at, "10/min", 1)
    assert store.keys() == [new]
    until = NOW + 1 + OVERLAP_S
    assert proves(new, keys.parse(old.text).secret, Ring(), until - 1) == until
    assert proves(new, keys.parse(old.text).secret, Ring(), until) is None
    assert proves(new, parsed.secret, Ring(), until) == float("inf")


def test_rotation_leaves_its_change_record_without_secrets(store: MemoryStore) -> None:
    old = made(store, CI)
    new, text = rotated(store, old.record.id)
    change = changes(store)[-1]
    assert change["action"] == "key:rotate"
    assert (change["before"]["previous_until"], change["after"]["previous_until"]) == (
        None,
        NOW + 1 + OVERLAP_S,
    )
    line = store.outbox(0, 10)[-1].record.decode()
    for secret in (
        new.digest.hex(),
        old.record.digest.hex(),
        keys.parse(text).secret,
        keys.parse(old.text).secret,
    ):
        assert secret not in line


def test_rotation_without_overlap_ends_every_older_secret(store: MemoryStore) -> None:
    old = made(store, CI)
    _, second = rotated(store, old.record.id)
    new, third = rotated(store, old.record.id, overlap_s=0)
    assert new.previous is None
    secrets = [keys.parse(text).secret for text in (old.text, second, third)]
    assert [proves(new, secret, Ring(), NOW + 1) for secret in secrets] == [None, None, float("inf")]


def test_two_secrets_are_live_at_most(store: MemoryStore) -> None:
    key = made(store, CI).record
    new, _ = rotated(store, key.id, overlap_s=60)
    with pytest.raises(Conflict, match="two at most"):
        rotated(store, key.id, now=NOW + 60)
    assert store.keys() == [new]
    assert rotated(store, key.id, now=NOW + 61)[0].previous == Previous(new.digest, 4, NOW + 61 + OVERLAP_S)


@pytest.mark.parametrize("overlap_s", [-1.0, LONGEST_OVERLAP_S + 1, float("nan")])
def test_the_overlap_is_bounded(store: MemoryStore, overlap_s: float) -> None:
    key = made(store, CI).record
    with pytest.raises(ValueError, match="30 days"):
        rotated(store, key.id, overlap_s=overlap_s)


def test_an_expired_key_is_rotated_only_with_a_new_end(store: MemoryStore) -> None:
    key = made(store, Wanted(agent="ci", expires_at=NOW + 5)).record
    with pytest.raises(Conflict, match="expired"):
        rotated(store, key.id, now=NOW + 5)
    assert rotated(store, key.id, now=NOW + 5, expires_at=NOW + 9)[0].expires_at == NOW + 9
    assert rotated(store, key.id, now=NOW + 6, overlap_s=0, expires_at=None)[0].expires_at is None


def test_revocation_leaves_its_change_record_and_no_secret(store: MemoryStore) -> None:
    key = made(store, CI).record
    rotated(store, key.id)
    revoked = revoke_key(store, key.id, by=ANNA, now=NOW + 5)
    assert (revoked.revoked_at, revoked.previous) == (NOW + 5, None)
    change = changes(store)[-1]
    assert (change["action"], change["object"]) == ("key:revoke", f"key:{key.id}")
    assert (change["before"]["revoked_at"], change["after"]["revoked_at"]) == (None, NOW + 5)


def test_revoking_again_changes_nothing(store: MemoryStore) -> None:
    key = made(store, CI).record
    first = revoke_key(store, key.id, by=ANNA, now=NOW + 5)
    assert revoke_key(store, key.id, by=ANNA, now=NOW + 9) == first
    assert len(changes(store)) == 2


def test_a_key_that_was_found_somewhere_can_be_revoked_as_it_is(store: MemoryStore) -> None:
    for cut in (None, len("dw_live_") + 12, -6):
        key = made(store, CI)
        assert revoke_key(store, key.text[:cut], by=ANNA, now=NOW + 5).id == key.record.id


def test_an_unknown_key_cannot_be_found(store: MemoryStore) -> None:
    for doing in (
        lambda: revoke_key(store, "AAAAAAAAAAAA", by=ANNA, now=NOW),
        lambda: find_key(store, "AAAAAAAAAAAA", by=ANNA),
        lambda: changed(store, "dw_live_AAAAAAAAAAAA", Change(rate="1/s")),
        lambda: rotated(store, "AAAAAAAAAAAA"),
    ):
        with pytest.raises(Unknown):
            doing()
    assert store.epoch() == 0


def test_two_changes_at_the_same_time_are_both_kept(store: MemoryStore) -> None:
    key = made(store, CI).record
    each = [Change(rate="10/min"), Change(read_only=True), Change(tools=("get_x",)), Change(servers=("git",))]
    threads = [threading.Thread(target=changed, args=(store, key.id, change)) for change in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [after] = store.keys()
    assert after == replace(
        key, rate="10/min", read_only=True, tools=("get_x",), servers=("git",), revision=4
    )


class Contended(MemoryStore):
    """Somebody else is always quicker."""

    def change_key(self, key: KeyRecord, change: bytes) -> bool:
        super().change_key(replace(key, read_only=False, rate=f"{key.revision + 1}/s"), change)
        return super().change_key(key, change)


def test_a_change_gives_up_against_somebody_who_never_stops() -> None:
    store = Contended()
    key = made(store, CI).record
    with pytest.raises(Conflict, match="somebody else"):
        changed(store, key.id, Change(read_only=True))
