"""What `doorward keys` works on: the store of a configuration, opened for one command."""

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager

from doorward.app.outbox import opened
from doorward.audit.records import Actor
from doorward.config.load import Loaded
from doorward.control import keys
from doorward.ports.secrets import SecretRing
from doorward.ports.store import KeyRecord, Store


class KeyService:
    """The use cases of `control.keys` for the person at this terminal."""

    def __init__(self, store: Store, ring: SecretRing) -> None:
        self._store = store
        self._ring = ring
        self._actor = Actor(operator(), "cli")

    def create(
        self, agent: str, name: str, environment: str, expires_at: float | None
    ) -> tuple[KeyRecord, str]:
        """Raises ValueError, GatewayError(STORE_UNAVAILABLE)."""
        made = keys.create_key(
            self._store,
            self._ring,
            agent=agent,
            name=name,
            actor=self._actor,
            now=time.time(),
            environment=environment,
            expires_at=expires_at,
        )
        return made.record, made.text

    def list(self) -> list[KeyRecord]:
        """Oldest first."""
        return keys.list_keys(self._store)

    def revoke(self, key_id: str) -> bool:
        """False when no live key has this id."""
        now = time.time()
        try:
            return keys.revoke_key(self._store, key_id, actor=self._actor, now=now).revoked_at == now
        except keys.KeyUnknown:
            return False


@contextmanager
def open_keys(loaded: Loaded) -> Iterator[KeyService]:
    """See outbox.opened."""
    with opened(loaded, "keys") as (store, ring):
        yield KeyService(store, ring)


def operator() -> str:
    """Whose terminal this is, for change records."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
