"""Whose keys mean something else after a change of the store than before it, and how long keys live. Pure."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from doorward.identity.narrow import narrow
from doorward.model.errors import CallerError
from doorward.ports.store import KeyRecord, OperatorRecord, StoreFacts

NO_PEPPERS: Final[Mapping[int, float]] = MappingProxyType({})


class KeyTimes:
    """Until when keys count, each worked out when it is asked for."""

    def __init__(self, facts: StoreFacts, peppers: Mapping[int, float] = NO_PEPPERS) -> None:
        """`peppers`: the versions there are, and when each ends."""
        self._peppers = peppers
        self._keys = {key.id: key for key in facts.keys}
        self._operators = {operator.id: operator for operator in facts.operators}
        self._known: dict[str, float] = {}

    def until(self, key_id: str, now: float) -> float:
        """Seconds since 1970; 0 for a key that is revoked, suspended or unknown."""
        found = self._known.get(key_id)
        if found is None:
            found = self._known[key_id] = self._until(self._keys.get(key_id), now)
        return found

    def _until(self, key: KeyRecord | None, now: float) -> float:
        if key is None or key.revoked_at is not None:
            return 0.0
        try:
            until = narrow(key, self._operators, now).until
        except CallerError:
            return 0.0
        if self._peppers:
            until = min(until, self._peppers.get(key.pepper_version, 0.0))
        return until


def changed_keys(before: StoreFacts, after: StoreFacts) -> frozenset[str]:
    """Ids of the keys that were made, changed or revoked, or whose creator was changed. A mere use is no
    change (ports/store.py)."""
    was, now = _revisions(before.operators), _revisions(after.operators)
    others = {operator for operator in was.keys() | now.keys() if was.get(operator) != now.get(operator)}
    left = _revisions(before.keys)  # of which nothing was heard yet
    changed = {
        key.id
        for key in after.keys
        if left.pop(key.id, None) != key.revision or (others and key.creator_id in others)
    }
    return frozenset(changed | left.keys())


def has_rates(facts: StoreFacts) -> bool:
    """Whether any key that was not revoked has a rate of its own."""
    return any(key.rate is not None and key.revoked_at is None for key in facts.keys)


def _revisions(records: Iterable[KeyRecord] | Iterable[OperatorRecord]) -> dict[str, int]:
    return {record.id: record.revision for record in records}
