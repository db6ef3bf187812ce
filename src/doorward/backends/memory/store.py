"""The store in memory (port: Store): for tests, and for a gateway that shall forget everything."""

import threading
from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from doorward.ports.store import BlockRecord, KeyRecord, OperatorRecord, OutboxEntry, StoreFacts

Record = TypeVar("Record", KeyRecord, OperatorRecord, BlockRecord)
Used = TypeVar("Used", KeyRecord, OperatorRecord)


class MemoryStore:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._keys: dict[str, KeyRecord] = {}
        self._operators: dict[str, OperatorRecord] = {}
        self._blocks: dict[str, BlockRecord] = {}
        self._outbox: list[OutboxEntry] = []
        self._epoch = 0
        self._seq = 0

    def add_key(self, key: KeyRecord, change: bytes) -> None:
        """See ports/store.py."""
        self._add(self._keys, key, change)

    def change_key(self, key: KeyRecord, change: bytes) -> bool:
        """See ports/store.py."""
        with self._lock:
            old = self._keys.get(key.id)
            return self._replace(self._keys, old, _as_used(old, key), change)

    def keys(self) -> list[KeyRecord]:
        """See ports/store.py."""
        return list(self.facts().keys)

    def add_operator(self, operator: OperatorRecord, change: bytes) -> None:
        """See ports/store.py."""
        with self._lock:
            self._check_name(operator)
            self._add(self._operators, operator, change)

    def change_operator(self, operator: OperatorRecord, change: bytes) -> bool:
        """See ports/store.py."""
        with self._lock:
            self._check_name(operator)
            old = self._operators.get(operator.id)
            return self._replace(self._operators, old, _as_used(old, operator), change)

    def operators(self) -> list[OperatorRecord]:
        """See ports/store.py."""
        return list(self.facts().operators)

    def add_block(self, block: BlockRecord, change: bytes) -> None:
        """See ports/store.py."""
        self._add(self._blocks, block, change)

    def change_block(self, block: BlockRecord, change: bytes) -> bool:
        """See ports/store.py."""
        with self._lock:
            return self._replace(self._blocks, self._blocks.get(block.id), block, change)

    def blocks(self) -> list[BlockRecord]:
        """See ports/store.py."""
        return list(self.facts().blocks)

    def facts(self) -> StoreFacts:
        """See ports/store.py."""
        with self._lock:
            return StoreFacts(
                self._epoch,
                _oldest_first(self._keys),
                _oldest_first(self._operators),
                _oldest_first(self._blocks),
            )

    def touch(self, last_used: Mapping[str, float]) -> None:
        """See ports/store.py."""
        with self._lock:
            for used_id, at in last_used.items():
                _touch(self._keys, used_id, at)
                _touch(self._operators, used_id, at)

    def add_change(self, change: bytes) -> None:
        """See ports/store.py."""
        with self._lock:
            self._changed(change)

    def epoch(self) -> int:
        """See ports/store.py."""
        with self._lock:
            return self._epoch

    def outbox(self, after: int, limit: int) -> list[OutboxEntry]:
        """See ports/store.py."""
        with self._lock:
            return [entry for entry in self._outbox if entry.seq > after][:limit]

    def outbox_done(self, seq: int) -> None:
        """See ports/store.py."""
        with self._lock:
            self._outbox = [entry for entry in self._outbox if entry.seq > seq]

    def _add(self, shelf: dict[str, Record], record: Record, change: bytes) -> None:
        with self._lock:
            if record.id in shelf:
                raise ValueError(f"{record.id} exists")
            shelf[record.id] = record
            self._changed(change)

    def _replace(self, shelf: dict[str, Record], old: Record | None, record: Record, change: bytes) -> bool:
        if old is None or old.revision != record.revision:
            return False
        shelf[record.id] = replace(record, created_at=old.created_at, revision=old.revision + 1)
        self._changed(change)
        return True

    def _check_name(self, operator: OperatorRecord) -> None:
        others = (other for other in self._operators.values() if other.id != operator.id)
        if operator.removed_at is None and any(
            other.name == operator.name and other.removed_at is None for other in others
        ):
            raise ValueError(f"an operator is named {operator.name} already")

    def _changed(self, change: bytes) -> None:
        self._epoch += 1
        self._seq += 1
        self._outbox.append(OutboxEntry(self._seq, change))


def _oldest_first(shelf: Mapping[str, Record]) -> tuple[Record, ...]:
    return tuple(sorted(shelf.values(), key=lambda record: (record.created_at, record.id)))


def _as_used(old: Used | None, new: Used) -> Used:
    return new if old is None else replace(new, last_used_at=old.last_used_at)


def _touch(shelf: dict[str, Used], used_id: str, at: float) -> None:
    record = shelf.get(used_id)
    if record is not None and (record.last_used_at is None or record.last_used_at < at):
        shelf[used_id] = replace(record, last_used_at=at)
