"""What commands ask of the composition root: a late import for each, as each pulls in another backend."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from doorward.config.load import Loaded


class KeyRow(Protocol):
    """What is shown of a key."""

    id: str
    name: str
    agent: str
    environment: str
    created_at: float
    created_by: str
    expires_at: float | None
    revoked_at: float | None


class Keys(Protocol):
    """The use cases of `control.keys`."""

    def create(
        self, agent: str, name: str, environment: str, expires_at: float | None
    ) -> tuple[KeyRow, str]: ...

    def list(self) -> Sequence[KeyRow]: ...

    def revoke(self, key_id: str) -> bool: ...


def serve(loaded: "Loaded", *, stdio: bool) -> int:
    """Runs a gateway until it is told to stop; its exit code."""
    return int(_of("serve", "serve")(loaded, stdio=stdio))


def bridge(url: str, key: str | None) -> int:
    """Relays stdio to a gateway until stdin ends; its exit code."""
    return int(_of("bridge", "bridge")(url, key))


def demo(arguments: Sequence[str]) -> int:
    """Runs the demonstration; its exit code."""
    return int(_of("demo", "demo")(arguments))


def open_keys(loaded: "Loaded") -> AbstractContextManager[Keys]:
    """The keys of a configuration's store, closed on leaving."""
    return cast("AbstractContextManager[Keys]", _of("keys", "open_keys")(loaded))


def audit_tail(loaded: "Loaded", follow: bool, count: int) -> Iterator[bytes]:
    """The last `count` records as JSON, oldest first; with `follow`, then each new one as it comes."""
    return cast("Iterator[bytes]", _of("audit", "audit_tail")(loaded, follow, count))


def _of(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"doorward.app.{module}"), name)
