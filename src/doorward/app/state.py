"""The state directory: where each thing that outlives the process lies."""

from dataclasses import dataclass
from pathlib import Path

from doorward.backends.files.ring import FileRing
from doorward.config.settings import Settings
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.store import Store


@dataclass(frozen=True, slots=True)
class StatePaths:
    """Paths below `gateway.state`."""

    root: Path
    database: Path
    ring: Path
    audit: Path
    revisions: Path
    """Configurations that were in force, by digest."""
    lock: Path


def paths(settings: Settings) -> StatePaths:
    """Of a configuration; nothing is created."""
    root = Path(settings.gateway.state)
    return StatePaths(
        root=root,
        database=root / "doorward.db",
        ring=Path(settings.gateway.secrets or root / "secrets.json"),
        audit=root / "audit",
        revisions=root / "revisions",
        lock=root / "lock",
    )


def open_ring(where: StatePaths, store: Store) -> FileRing:
    """The key ring that belongs to the store.

    Raises GatewayError(STORE_UNAVAILABLE) when it is missing although the store has keys or operators: a new
    pepper would make every one of them invalid without a word.
    """
    if not where.ring.exists() and (store.keys() or store.operators()):
        text = f"{where.ring} is missing, and nothing in {where.database} works without it: restore it"
        raise GatewayError(Reason.STORE_UNAVAILABLE, text)
    return FileRing(where.ring)
