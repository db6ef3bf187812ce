"""What `doorward keys` works on: the store of a configuration, opened for one command."""

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import UNSET, UnsetType

from doorward.app.outbox import opened
from doorward.config.load import Loaded
from doorward.config.policy import policy_spec
from doorward.control import keys
from doorward.control.key_rules import Configured
from doorward.control.key_view import as_json, effective
from doorward.control.keys import Change, Wanted
from doorward.control.roles import Operator, Role
from doorward.ports.secrets import SecretRing
from doorward.ports.store import KeyRecord, Store


class KeyService:
    """The use cases of `control.keys` for one operator. What they return is fit for JSON; a new key stands in
    it as "key", once. Each raises Refused, ValueError and GatewayError as the use case does."""

    def __init__(self, store: Store, ring: SecretRing, configured: Configured, by: Operator) -> None:
        self._store = store
        self._ring = ring
        self._configured = configured
        self._by = by

    def create(self, wanted: Wanted) -> dict[str, Any]:
        """A new key."""
        made = keys.create_key(
            self._store, self._ring, self._configured, wanted, by=self._by, now=time.time()
        )
        return self._shown(made.record) | {"key": made.text}

    def list(self) -> list[dict[str, Any]]:
        """Oldest first."""
        operators = {operator.id: operator for operator in self._store.operators()}
        now = time.time()
        return [
            as_json(effective(record, operators, self._configured, now))
            for record in keys.list_keys(self._store, by=self._by)
        ]

    def show(self, key_id: str) -> dict[str, Any]:
        """One key."""
        return self._shown(keys.find_key(self._store, key_id, by=self._by))

    def change(self, key_id: str, change: Change) -> dict[str, Any]:
        """The key as it is from now on."""
        record = keys.change_key(self._store, self._configured, key_id, change, by=self._by, now=time.time())
        return self._shown(record)

    def rotate(
        self,
        key_id: str,
        overlap_s: float = keys.OVERLAP_S,
        expires_at: float | UnsetType | None = UNSET,
    ) -> dict[str, Any]:
        """The key with its new secret."""
        made = keys.rotate_key(
            self._store,
            self._ring,
            self._configured,
            key_id,
            by=self._by,
            now=time.time(),
            overlap_s=overlap_s,
            expires_at=expires_at,
        )
        return self._shown(made.record) | {"key": made.text}

    def revoke(self, key_id: str) -> dict[str, Any]:
        """The key as it is from now on."""
        return self._shown(keys.revoke_key(self._store, key_id, by=self._by, now=time.time()))

    def _shown(self, record: KeyRecord) -> dict[str, Any]:
        operators = {operator.id: operator for operator in self._store.operators()}
        return as_json(effective(record, operators, self._configured, time.time()))


@contextmanager
def open_keys(loaded: Loaded) -> Iterator[KeyService]:
    """See outbox.opened."""
    with opened(loaded, "keys") as (store, ring):
        yield KeyService(store, ring, configured(loaded), Operator("", operator(), Role.OWNER, "cli"))


def configured(loaded: Loaded) -> Configured:
    """What keys are made of, by this configuration."""
    return Configured(policy_spec(loaded).agents, tuple(loaded.settings.servers))


def operator() -> str:
    """Whose terminal this is, for change records."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
