"""What commands ask of the composition root: a late import for each, as each pulls in another backend."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from doorward.app.identity import Issuers
    from doorward.app.queries import Wanted
    from doorward.app.secrets import SecretService
    from doorward.cli.trust import TlsFiles
    from doorward.config.errors import Problem
    from doorward.config.load import Loaded


def serve(loaded: "Loaded", *, stdio: bool) -> int:
    """Runs a gateway until it is told to stop; its exit code."""
    from doorward.app import serve as app

    if loaded.settings.gateway.tls is None:
        return app.serve(loaded, stdio=stdio, make_issuers=_issuers)
    from doorward.app.listener import SecureListener

    return app.serve(loaded, stdio=stdio, secure=SecureListener, make_issuers=_issuers)


def _issuers(changed: "Callable[[], None]") -> "Issuers":
    """Called when a configuration names issuers, be it after a reload."""
    from doorward.app.identity import Issuers

    return Issuers(changed)


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


def open_secrets(loaded: "Loaded", token: str | None) -> "AbstractContextManager[SecretService]":
    """The key ring of a configuration, for whoever's token it is."""
    from doorward.app import secrets as app

    return app.open_secrets(loaded, token)


def restore_secrets(loaded: "Loaded", content: bytes, passphrase: str) -> list[str]:
    """The purposes of an export, put where no ring is. Raises ValueError, OSError, GatewayError."""
    from doorward.app import secrets as app

    return app.restore(loaded, content, passphrase)


def write_private(path: "Path", content: bytes) -> None:
    """A new file that only its owner may read. Raises OSError."""
    from doorward.app import secrets as app

    app.write_private(path, content)


def audit_tail(loaded: "Loaded", follow: bool, count: int, wanted: "Wanted | None" = None) -> Iterator[bytes]:
    """The last `count` records as JSON, oldest first; with `follow`, then each new one as it comes."""
    from doorward.app import audit as app

    return app.audit_tail(loaded, follow, count, wanted)


class Proof(Protocol):
    """A receipt and what it is for."""

    @property
    def number(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def text(self) -> str: ...


def audit_log(loaded: "Loaded") -> "tuple[Path, list[Path]]":
    """The log's directory, and the files of its anchors. Raises OSError, GatewayError."""
    from doorward.app import evidence as app

    return app.log_of(loaded), app.anchors_of(loaded)


def audit_keys(loaded: "Loaded") -> list[str]:
    """Verifier keys of the log, oldest first. Raises OSError, GatewayError."""
    from doorward.app import evidence as app

    return app.verifier_keys(app.log_of(loaded))


def audit_prove(loaded: "Loaded", record_id: str) -> Proof:
    """Raises LookupError, TimeoutError while it is not sealed, ValueError, OSError, GatewayError."""
    from doorward.app import evidence as app

    return app.prove(app.log_of(loaded), record_id)


class Packed(Protocol):
    """What went into a pack."""

    first: int
    records: int
    size: int
    changes: int
    missing: list[str]


def audit_pack(loaded: "Loaded", name: str, start: int, end: int, output: "Path") -> Packed:
    """`start`, `end`: milliseconds since 1970. Raises LookupError, OSError, GatewayError."""
    from doorward.app import evidence as app
    from doorward.app.pack import Period

    return app.make_pack(loaded, Period(name, start, end), output)


class Verdict(Protocol):
    """What an offline verifier found."""

    @property
    def exit_status(self) -> int: ...
    @property
    def sound(self) -> bool: ...


class Receipt(Protocol):
    """One record that its log is proven to hold."""

    @property
    def number(self) -> int: ...
    @property
    def record(self) -> bytes: ...
    @property
    def origin(self) -> str: ...


def verify_log(
    directory: "Path", keys: Sequence[str], anchors: "Sequence[Path]", *, excerpt: bool
) -> tuple[Verdict, Mapping[str, object], Sequence[str]]:
    """The verdict, its members, and lines for people. Raises ValueError for a key that is none."""
    from doorward.app import verification as app

    return app.verify_log(directory, keys, anchors, excerpt=excerpt)


def verify_receipt(file: "Path", keys: Sequence[str]) -> Receipt:
    """Raises app.verification.KeyInvalid, OSError for the file, ValueError for what proves nothing."""
    from doorward.app import verification as app

    return app.verify_receipt(file, keys)


class Hashed(Protocol):
    """Digests of one value under one key."""

    @property
    def key(self) -> str: ...
    @property
    def canonical(self) -> str | None: ...
    @property
    def raw(self) -> str: ...


def audit_hash(loaded: "Loaded", tenant: str, quarter: str | None, data: bytes) -> Sequence[Hashed]:
    """Raises LookupError, ValueError, GatewayError."""
    from doorward.app import hashing as app

    return app.hash_value(loaded, tenant, quarter, data)


class Held(Protocol):
    """A legal hold."""

    @property
    def at(self) -> int: ...
    @property
    def by(self) -> str: ...
    @property
    def reason(self) -> str: ...


class PruneRow(Protocol):
    """A segment that has something to lose; times in milliseconds since 1970."""

    @property
    def segment(self) -> str: ...
    @property
    def since(self) -> int: ...
    @property
    def until(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def classes(self) -> Sequence[str]: ...


class Prunings(Protocol):
    """What there was to take out of the log, and what was."""

    @property
    def due(self) -> Sequence[PruneRow]: ...
    @property
    def done(self) -> Sequence[dict[str, Any]]: ...
    @property
    def troubles(self) -> Sequence[str]: ...
    @property
    def held(self) -> Held | None: ...
    @property
    def gateway(self) -> str | None: ...


def audit_prune(loaded: "Loaded", *, dry_run: bool) -> Prunings:
    """Raises OSError, GatewayError."""
    from doorward.app import keeping as app

    return app.prune(loaded, dry_run=dry_run)


def audit_hold(loaded: "Loaded", reason: str) -> None:
    """Raises OSError, GatewayError."""
    from doorward.app import keeping as app

    app.hold(loaded, reason)


def audit_release(loaded: "Loaded", reason: str) -> Held | None:
    """What was held. Raises OSError, GatewayError."""
    from doorward.app import keeping as app

    return app.release(loaded, reason)
