"""What `doorward secrets` works on: the key ring of a configuration, opened for one command."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from doorward.app.outbox import begin_log, opened
from doorward.app.state import paths
from doorward.app.terminal import operator
from doorward.audit.notes import VerifierKey, verifier_key
from doorward.audit.records import Actor
from doorward.backends.files.checkpoints import Checkpoints
from doorward.backends.files.durable import OsFiles
from doorward.backends.files.resume import rotation
from doorward.backends.files.ring import FileRing
from doorward.backends.files.segment_lines import segment_files
from doorward.config.load import Loaded
from doorward.control import secrets
from doorward.ports.store import Store


class SecretService:
    """The use cases of `control.secrets` for the person at this terminal."""

    def __init__(self, store: Store, ring: FileRing, loaded: Loaded) -> None:
        self._store = store
        self._ring = ring
        self._loaded = loaded
        self._directory = paths(loaded.settings).audit

    def all(self) -> list[secrets.Secret]:
        """By purpose."""
        return secrets.list_secrets(self._ring)

    def rotate_checkpoints(self) -> tuple[str, str]:
        """Verifier keys of the log, before and after. Raises GatewayError, OSError."""
        if not self._keys():
            begin_log(self._loaded, self._ring, "secrets")
        origin = self._keys()[0].name
        return secrets.rotate_checkpoints(
            self._store,
            self._ring,
            public=lambda seed: verifier_key(origin, seed).text,
            in_force=self._in_force,
            actor=Actor(operator(), "cli"),
            now=time.time(),
        )

    def _keys(self) -> list[VerifierKey]:
        return Checkpoints(self._directory, OsFiles()).keys() if self._directory.is_dir() else []

    def _in_force(self) -> str:
        """A record of a change that no checkpoint covers yet comes before what `keys` says."""
        newest = segment_files(self._directory)[-1]
        brought = [key for line in newest.lines() if (key := rotation(line)) is not None]
        return (brought or self._keys())[-1].text


@contextmanager
def open_secrets(loaded: Loaded) -> Iterator[SecretService]:
    """See outbox.opened."""
    with opened(loaded, "secrets") as (store, ring):
        yield SecretService(store, ring, loaded)
