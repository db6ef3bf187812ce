"""The state directory: where each thing that outlives the process lies."""

from dataclasses import dataclass
from pathlib import Path

from doorward.config.settings import Settings


@dataclass(frozen=True, slots=True)
class StatePaths:
    """Paths below `gateway.state`."""

    root: Path
    database: Path
    ring: Path
    audit: Path
    lock: Path


def paths(settings: Settings) -> StatePaths:
    """Of a configuration; nothing is created."""
    root = Path(settings.gateway.state)
    return StatePaths(
        root=root,
        database=root / "doorward.db",
        ring=Path(settings.gateway.secrets or root / "secrets.json"),
        audit=root / "audit",
        lock=root / "lock",
    )
