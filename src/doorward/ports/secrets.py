"""Our own secrets (DESIGN section 6)."""

from collections.abc import Callable
from typing import NamedTuple, Protocol


class SecretRing(Protocol):
    """One versioned 256-bit key per purpose. Old versions stay readable until they are destroyed.

    Purposes in use: `pepper` (key digests), `digest:<tenant>:<yyyy>q<n>` (HMACs in audit records),
    `request-state` (the seal around a server's requestState), `checkpoints` (Ed25519 seed of the audit log).
    """

    def current(self, purpose: str) -> tuple[int, bytes]:
        """The newest version and its key, made on first use. Raises GatewayError(STORE_UNAVAILABLE)."""
        ...

    def version(self, purpose: str, number: int) -> bytes:
        """One particular key. Raises GatewayError(STORE_UNAVAILABLE) when the ring does not have it."""
        ...


class Version(NamedTuple):
    """One version of a key, without the key."""

    number: int
    """From 1."""
    created: str
    """RFC 3339."""


class RotatingRing(SecretRing, Protocol):
    """A ring whose keys can be replaced."""

    def purposes(self) -> tuple[str, ...]:
        """Of all keys, in alphabetical order. Raises GatewayError(STORE_UNAVAILABLE)."""
        ...

    def versions(self, purpose: str) -> tuple[Version, ...]:
        """Oldest first, as they are now, whoever made them. Raises GatewayError(STORE_UNAVAILABLE)."""
        ...

    def rotate(self, purpose: str, announce: Callable[[bytes], None] | None = None) -> tuple[int, bytes]:
        """Make a new version, which is `current` from then on.

        `announce` gets the new key before anybody else can rotate the ring; what it raises is passed on, and
        the new version stays. Raises GatewayError(STORE_UNAVAILABLE).
        """
        ...
