"""What `doorward secrets` works on: the key ring of a configuration, opened for one command."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from doorward.app.admin.local import Unserved, asking
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
from doorward.control import ring as rings
from doorward.control import secrets
from doorward.control.changes import change_record
from doorward.control.plane import Plane
from doorward.control.roles import Operator, Right
from doorward.ports.secrets import Version
from doorward.ports.store import Store

IMPORTED = "secret:import"


class SecretService:
    """The use cases of `control.secrets` and `control.ring` for whoever's token is presented. Each raises
    Refused, CallerError(CREDENTIAL_*), GatewayError."""

    def __init__(self, store: Store, ring: FileRing, loaded: Loaded, who: Callable[[bool], Operator]) -> None:
        self._store = store
        self._ring = ring
        self._loaded = loaded
        self._who = who
        self._directory = paths(loaded.settings).audit

    def all(self) -> list[secrets.Secret]:
        """By purpose."""
        self._who(False).require(Right.SECRETS_READ)
        return secrets.list_secrets(self._ring)

    def needed(self) -> dict[int, int]:
        """By version of the pepper, how many keys and tokens need it."""
        self._who(False).require(Right.SECRETS_READ)
        return dict(rings.needed(self._store.facts(), time.time()))

    def rotate_checkpoints(self) -> tuple[str, str]:
        """Verifier keys of the log, before and after. Raises OSError, too."""
        by = self._who(True)
        by.require_all(Right.SECRETS_CHANGE)
        if not self._keys():
            begin_log(self._loaded, self._ring, "secrets")
        origin = self._keys()[0].name
        return secrets.rotate_checkpoints(
            self._store,
            self._ring,
            public=lambda seed: verifier_key(origin, seed).text,
            in_force=self._in_force,
            actor=by.actor,
            now=time.time(),
        )

    def rotate(self, purpose: str, overlap_s: float | None) -> rings.Rotated:
        """Any other purpose."""
        by = self._who(True)
        return rings.rotate(self._store, self._ring, purpose, by=by, now=time.time(), overlap_s=overlap_s)

    def end(self, purpose: str, number: int, force: bool) -> Version:
        """An old version, from now on."""
        by = self._who(True)
        return rings.end(self._store, self._ring, purpose, number, by=by, now=time.time(), force=force)

    def export(self, passphrase: str) -> bytes:
        """All of it, sealed. Raises ValueError for a passphrase that is too short."""
        from doorward.backends.files.sealed import seal

        by = self._who(True)
        by.require_all(Right.SECRETS_CHANGE)
        sealed = seal(self._ring.document(), passphrase)
        rings.exported(self._store, self._ring, by=by, now=time.time())
        return sealed

    def _keys(self) -> list[VerifierKey]:
        return Checkpoints(self._directory, OsFiles()).keys() if self._directory.is_dir() else []

    def _in_force(self) -> str:
        """A record of a change that no checkpoint covers yet comes before what `keys` says."""
        newest = segment_files(self._directory)[-1]
        brought = [key for line in newest.lines() if (key := rotation(line)) is not None]
        return (brought or self._keys())[-1].text


@contextmanager
def open_secrets(loaded: Loaded, token: str | None = None) -> Iterator[SecretService]:
    """See outbox.opened; `token`: of an operator, where it is not the one in the state directory."""
    with opened(loaded, "secrets") as (store, ring):
        plane = Plane(store, ring, Unserved(loaded), "cli")
        yield SecretService(store, ring, loaded, asking(plane, paths(loaded.settings).root, token))


def restore(loaded: Loaded, content: bytes, passphrase: str) -> list[str]:
    """Put an export where no ring is; the purposes it has. Whoever can write there and has the passphrase
    needs no token: without a ring none could be checked.

    Raises ValueError for a wrong passphrase or another file, FileExistsError, OSError, GatewayError.
    """
    from doorward.backends.files.sealed import unseal

    where = paths(loaded.settings)
    restored = FileRing.restore(where.ring, unseal(content, passphrase))
    purposes = list(restored.purposes())
    with opened(loaded, "secrets") as (store, _):
        said = {"purposes": purposes}
        actor = Actor(operator(), "cli")
        store.add_change(change_record(IMPORTED, "secrets", actor, time.time(), after=said))
    return purposes


def write_private(path: Path, content: bytes) -> None:
    """A new file that only its owner may read. Raises OSError, FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
