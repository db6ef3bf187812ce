"""Who may administer: every use case by every role, and nobody who gives more than they have."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from doorward.audit import records
from doorward.audit.records import Actor
from doorward.backends.memory.store import MemoryStore
from doorward.control import operators
from doorward.control.errors import Conflict, Forbidden, Unknown
from doorward.control.operator_proof import prove
from doorward.control.operators import Change, CreatedOperator
from doorward.control.roles import Operator, Role
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

NOW = 1_700_000_000.0
DAY = 86_400.0
CLI = Actor("root", "cli")


class Ring:
    """A pepper for each version; `newest` may be moved on."""

    newest = 1

    def current(self, purpose: str) -> tuple[int, bytes]:
        return self.newest, self.version(purpose, self.newest)

    def version(self, purpose: str, number: int) -> bytes:
        assert purpose == "pepper"
        return bytes([number]) * 32


class House:
    """A store with its first owner."""

    def __init__(self) -> None:
        self.store, self.ring = MemoryStore(), Ring()
        made = operators.bootstrap(self.store, self.ring, actor=CLI, now=NOW)
        self.owner = self.proven(made)

    def proven(self, made: CreatedOperator, now: float = NOW) -> Operator:
        return prove(self.store.operators(), self.ring, made.text, via="api", now=now)

    def add(self, name: str, role: str, by: Operator | None = None, **limits: Any) -> CreatedOperator:
        by = by or self.owner
        return operators.add_operator(self.store, self.ring, by=by, name=name, role=role, now=NOW, **limits)

    def change(self, wanted: str, by: Operator | None = None, **change: Any) -> Any:
        by = by or self.owner
        return operators.change_operator(self.store, wanted, Change(**change), by=by, now=NOW)

    def rotate(self, wanted: str, by: Operator | None = None) -> CreatedOperator:
        return operators.rotate_operator(self.store, self.ring, wanted, by=by or self.owner, now=NOW)

    def remove(self, wanted: str, by: Operator | None = None) -> Any:
        return operators.remove_operator(self.store, wanted, by=by or self.owner, now=NOW)

    def record(self, name: str) -> Any:
        return next(record for record in self.store.operators() if record.name == name)

    def changes(self) -> list[records.Change]:
        found = [records.decode(entry.record) for entry in self.store.outbox(0, 1000)]
        return [each for each in found if isinstance(each, records.Change)]


@pytest.fixture
def house() -> House:
    return House()


def test_the_first_owner_has_no_limits_and_is_on_record(house: House) -> None:
    assert (house.owner.name, house.owner.role, house.owner.limited) == ("owner", Role.OWNER, False)
    assert house.owner.expires_at is None
    (change,) = house.changes()
    assert (change.action, change.actor, change.object) == (
        "operator:create",
        CLI,
        f"operator:{house.owner.id}",
    )
    assert not operators.first_owner(house.store)
    assert operators.first_owner(MemoryStore())


def test_no_record_of_a_change_holds_a_secret_or_its_digest(house: House) -> None:
    made = house.add("anna", "viewer")
    again = house.rotate("anna")
    house.change("anna", role="auditor")
    house.remove("anna")
    written = b"".join(entry.record for entry in house.store.outbox(0, 100))
    assert [change.action.partition(":")[2] for change in house.changes()] == [
        "create",
        "create",
        "rotate",
        "change",
        "remove",
    ]
    for secret in (made.text, again.text, made.text.split("_")[2][:43], again.record.digest.hex()):
        assert secret.encode() not in written


@pytest.mark.parametrize("role", list(Role))
def test_only_an_owner_changes_operators(house: House, role: Role) -> None:
    house.add("victim", "viewer")
    by = house.proven(house.add("somebody", role))
    attempts: list[Callable[[], object]] = [
        lambda: house.add("new", "viewer", by),
        lambda: house.change("victim", by, role="auditor"),
        lambda: house.change("somebody", by, role="owner"),
        lambda: house.rotate("victim", by),
        lambda: house.remove("victim", by),
    ]
    for attempt in attempts:
        if role is Role.OWNER:
            attempt()
        else:
            before = house.store.facts()
            with pytest.raises(Forbidden, match="operators:change"):
                attempt()
            assert house.store.facts() == before


@pytest.mark.parametrize("role", list(Role))
def test_everybody_sees_and_renews_oneself(house: House, role: Role) -> None:
    made = house.add("somebody", role)
    by = house.proven(made)
    assert operators.find_operator(house.store, "somebody", by=by).id == by.id
    renewed = house.rotate("somebody", by)
    assert house.proven(renewed).id == by.id
    with pytest.raises(CallerError) as refused:
        house.proven(made)
    assert refused.value.reason is Reason.CREDENTIAL_INVALID


@pytest.mark.parametrize("role", list(Role))
def test_who_sees_others(house: House, role: Role) -> None:
    by = house.proven(house.add("somebody", role))
    if role is Role.VIEWER:
        with pytest.raises(Forbidden, match="operators:read"):
            operators.find_operator(house.store, "owner", by=by)
        with pytest.raises(Forbidden, match="operators:read"):
            operators.list_operators(house.store, by=by)
    else:
        assert operators.find_operator(house.store, house.owner.id, by=by).name == "owner"
        assert len(operators.list_operators(house.store, by=by)) == 2


def test_an_owner_with_limits_makes_no_operators(house: House) -> None:
    by = house.proven(house.add("limited", "owner", agents=["ci"]))
    with pytest.raises(Forbidden, match="limited"):
        house.add("new", "viewer", by)
    with pytest.raises(Forbidden, match="limited"):
        house.change("limited", by, agents=None)


def test_an_owner_for_a_day_makes_nobody_who_stays_longer(house: House) -> None:
    by = house.proven(house.add("today", "owner", expires_at=NOW + DAY))
    house.add("viewer", "viewer")
    house.add("brief", "owner", by, expires_at=NOW + DAY)
    for attempt in (
        lambda: house.add("new", "owner", by),
        lambda: house.add("new", "owner", by, expires_at=NOW + DAY + 1),
        lambda: house.change("today", by, expires_at=None),
        lambda: house.change("today", by, expires_at=NOW + 2 * DAY),
        lambda: house.change("viewer", by, role="owner"),
        lambda: house.rotate("owner", by),
    ):
        with pytest.raises(Forbidden, match="own time ends"):
            attempt()


def test_an_owner_is_always_left(house: House) -> None:
    house.add("limited", "owner", agents=["ci"])
    house.add("brief", "owner", expires_at=NOW + DAY)
    for attempt in (
        lambda: house.remove("owner"),
        lambda: house.change("owner", role="operator"),
        lambda: house.change("owner", agents=("ci",)),
        lambda: house.change("owner", servers=()),
        lambda: house.change("owner", expires_at=NOW + DAY),
    ):
        with pytest.raises(Conflict, match="nobody would be left"):
            attempt()
    house.add("second", "owner")
    house.remove("owner")
    assert house.record("owner").removed_at == NOW


def test_what_is_changed_and_what_stays(house: House) -> None:
    house.add("anna", "operator", agents=["team-a-*"], servers=["crm"], expires_at=NOW + DAY)
    after = house.change("anna", role="auditor", agents=None)
    assert (after.role, after.agents, after.servers, after.expires_at) == (
        "auditor",
        None,
        ("crm",),
        NOW + DAY,
    )
    assert after == house.record("anna")
    number = len(house.changes())
    assert house.change("anna", role="auditor") == after
    assert len(house.changes()) == number
    change = house.changes()[-1]
    assert change.before is not None
    assert change.after is not None
    assert (change.before["role"], change.after["role"]) == ("operator", "auditor")
    assert change.actor == Actor("owner", "api")


def test_names(house: House) -> None:
    house.add("anna", "viewer")
    with pytest.raises(Conflict, match="anna"):
        house.add("anna", "auditor")
    house.remove("anna")
    again = house.add("anna", "auditor")
    assert operators.find_operator(house.store, "anna", by=house.owner) == again.record
    for name in ("", "-a", "a b", "a\n", "ä", "a" * 65, "op_0123456789AB"):
        with pytest.raises(ValueError, match="name"):
            house.add(name, "viewer")


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"role": "king"}, "king"),
        ({"agents": ["a b"]}, "agents"),
        ({"servers": ["a"] * 101}, "servers"),
        ({"servers": [""]}, "servers"),
        ({"expires_at": NOW}, "future"),
        ({"expires_at": float("inf")}, "future"),
        ({"expires_at": float("nan")}, "future"),
    ],
)
def test_bad_values(house: House, limits: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        house.add("anna", limits.pop("role", "viewer"), **limits)


def test_removed_is_for_good(house: House) -> None:
    made = house.add("anna", "viewer")
    removed = house.remove("anna")
    assert house.remove(removed.id) == removed
    for attempt in (lambda: house.rotate("anna"), lambda: house.change("anna", role="owner")):
        with pytest.raises(Conflict, match="removed"):
            attempt()
    with pytest.raises(CallerError) as refused:
        house.proven(made)
    assert refused.value.reason is Reason.CREDENTIAL_REVOKED


def test_whom_nobody_knows(house: House) -> None:
    for attempt in (lambda: house.remove("nobody"), lambda: house.rotate("nobody")):
        with pytest.raises(Unknown):
            attempt()


def test_somebody_else_was_quicker(house: House) -> None:
    house.add("anna", "viewer")

    class Overtaken(MemoryStore):
        def change_operator(self, operator: Any, change: bytes) -> bool:
            return False

    other = Overtaken()
    for record in house.store.operators():
        other.add_operator(record, b"")
    with pytest.raises(Conflict, match="meanwhile"):
        operators.remove_operator(other, "anna", by=house.owner, now=NOW)


def test_a_token_ends_with_its_time(house: House) -> None:
    made = house.add("brief", "viewer", expires_at=NOW + DAY)
    assert house.proven(made, NOW + DAY - 1).name == "brief"
    with pytest.raises(CallerError) as refused:
        house.proven(made, NOW + DAY)
    assert refused.value.reason is Reason.CREDENTIAL_EXPIRED


def test_a_new_pepper_leaves_old_tokens_good(house: House) -> None:
    made = house.add("anna", "viewer")
    house.ring.newest = 2
    assert house.proven(made).name == "anna"
    assert house.proven(house.rotate("anna")).name == "anna"
    assert house.record("anna").pepper_version == 2


def test_nobody_is_let_in_with_half_a_token(house: House) -> None:
    made, other = house.add("anna", "viewer"), house.add("bert", "owner")
    mixed = made.text[:17] + other.text[17:]
    stranger = operators.bootstrap(MemoryStore(), house.ring, actor=CLI, now=NOW)
    for text in (mixed, stranger.text, made.text[:-1], ""):
        with pytest.raises(CallerError) as refused:
            prove(house.store.operators(), house.ring, text, via="api", now=NOW)
        assert refused.value.reason is Reason.CREDENTIAL_INVALID


def test_a_role_that_nobody_knows_is_no_bug_and_no_right(house: House) -> None:
    made = house.add("anna", "viewer")
    assert house.store.change_operator(msgspec.structs.replace(made.record, role="emperor"), b"{}")
    with pytest.raises(CallerError, match="role is none") as refused:
        house.proven(made)
    assert refused.value.reason is Reason.CREDENTIAL_INVALID


def test_what_is_public_of_an_operator(house: House) -> None:
    (record,) = house.store.operators()
    secret = {"digest", "pepper_version"}
    assert not secret & set(operators.public(record))
    assert set(operators.public(record)) < set(msgspec.structs.asdict(record))
