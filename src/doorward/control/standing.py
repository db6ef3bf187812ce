"""Whose keys mean something else after a change of the store than before it. Pure."""

from collections.abc import Iterable, Mapping

from doorward.ports.store import KeyRecord, OperatorRecord, StoreFacts


def changed_keys(before: StoreFacts, after: StoreFacts) -> frozenset[str]:
    """Ids of the keys that were made, changed or revoked, or whose creator was changed. A mere use is no
    change (ports/store.py)."""
    was, now = _revisions(before.operators), _revisions(after.operators)
    others = {operator for operator in was.keys() | now.keys() if was.get(operator) != now.get(operator)}
    known = _revisions(before.keys)
    changed = {key.id for key in after.keys if known.get(key.id) != key.revision or key.creator_id in others}
    return frozenset(changed | (known.keys() - {key.id for key in after.keys}))


def has_rates(facts: StoreFacts) -> bool:
    """Whether any key that was not revoked has a rate of its own."""
    return any(key.rate is not None and key.revoked_at is None for key in facts.keys)


def _revisions(records: Iterable[KeyRecord] | Iterable[OperatorRecord]) -> Mapping[str, int]:
    return {record.id: record.revision for record in records}
