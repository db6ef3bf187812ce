"""Which keys a change of the store concerns (control/standing.py)."""

from msgspec.structs import replace

from doorward.control.standing import changed_keys
from doorward.ports.store import StoreFacts
from tests.contract.store import NARROWED, OPERATOR, RECORD

HERS = replace(RECORD, id="HHHHHHHHHHHH", creator_id=OPERATOR.id)
BEFORE = StoreFacts(1, (RECORD, NARROWED, HERS), (OPERATOR,))


def test_nothing_changed() -> None:
    assert changed_keys(BEFORE, replace(BEFORE, epoch=2)) == frozenset()


def test_a_use_is_no_change() -> None:
    used = StoreFacts(
        1, (replace(RECORD, last_used_at=5.0), NARROWED, HERS), (replace(OPERATOR, last_used_at=5.0),)
    )
    assert changed_keys(BEFORE, used) == frozenset()


def test_keys_that_came_changed_and_went() -> None:
    new = replace(RECORD, id="NNNNNNNNNNNN")
    after = StoreFacts(2, (replace(RECORD, revision=1, revoked_at=1.0), HERS, new), (OPERATOR,))
    assert changed_keys(BEFORE, after) == {RECORD.id, NARROWED.id, new.id}


def test_a_creator_takes_along_what_it_made() -> None:
    demoted = replace(BEFORE, operators=(replace(OPERATOR, role="viewer", revision=1),))
    assert changed_keys(BEFORE, demoted) == {HERS.id}
    assert changed_keys(BEFORE, replace(BEFORE, operators=())) == {HERS.id}
    other = replace(OPERATOR, id="op_ZZZZZZZZZZZZ", name="zoe")
    assert changed_keys(BEFORE, replace(BEFORE, operators=(OPERATOR, other))) == frozenset()
