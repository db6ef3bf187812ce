"""What commands ask of the composition root: a late import for each, as each pulls in another backend."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from doorward.cli.trust import TlsFiles
    from doorward.config.errors import Problem
    from doorward.config.load import Loaded


class KeyRow(Protocol):
    """What is shown of a key."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def agent(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def created_at(self) -> float: ...
    @property
    def created_by(self) -> str: ...
    @property
    def expires_at(self) -> float | None: ...
    @property
    def revoked_at(self) -> float | None: ...


class Keys(Protocol):
    """The use cases of `control.keys`."""

    def create(
        self, agent: str, name: str, environment: str, expires_at: float | None
    ) -> tuple[KeyRow, str]: ...

    def list(self) -> Sequence[KeyRow]: ...

    def revoke(self, key_id: str) -> bool: ...


def serve(loaded: "Loaded", *, stdio: bool) -> int:
    """Runs a gateway until it is told to stop; its exit code."""
    from doorward.app import serve as app

    if loaded.settings.gateway.tls is None:
        return app.serve(loaded, stdio=stdio)
    from doorward.app.listener import SecureListener

    return app.serve(loaded, stdio=stdio, secure=SecureListener)


def check_files(loaded: "Loaded") -> "list[Problem]":
    """Looks for the files and programs that the configuration names: the warnings. Raises ConfigError."""
    from doorward.app.surroundings import judged, surroundings

    found = surroundings(loaded)
    if loaded.settings.gateway.tls is not None:
        from doorward.app import tls_files

        found += tls_files.problems(loaded)
    return judged(found)


def bridge(url: str, key: str | None, tls: "TlsFiles") -> int:
    """Relays stdio to a gateway until stdin ends; its exit code."""
    from doorward.app import bridge as app

    return app.bridge(url, key, tls.ca, tls.cert, tls.key)


def demo(arguments: Sequence[str]) -> int:
    """Runs the demonstration; its exit code."""
    from doorward.app import demo as app

    return app.demo(arguments)


def open_keys(loaded: "Loaded") -> AbstractContextManager[Keys]:
    """The keys of a configuration's store, closed on leaving."""
    from doorward.app import keys as app

    return app.open_keys(loaded)


def audit_tail(loaded: "Loaded", follow: bool, count: int) -> Iterator[bytes]:
    """The last `count` records as JSON, oldest first; with `follow`, then each new one as it comes."""
    from doorward.app import audit as app

    return app.audit_tail(loaded, follow, count)
