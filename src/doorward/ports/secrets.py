"""Our own secrets (DESIGN section 6)."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from doorward.model.errors import GatewayError


class VersionEnded(GatewayError):
    """A version that was ended: what was made with it counts no longer."""


class SecretRing(Protocol):
    """One versioned 256-bit key per purpose. Old versions stay readable until they are destroyed.

    Purposes in use: `pepper` (key digests), `digest:<tenant>:<yyyy>q<n>` (HMACs in audit records),
    `request-state` (the seal around a server's requestState), `checkpoints` (Ed25519 seed of the audit log).
    Made with them, for what is to come: `tokens` (ES256), `vault` (AES-GCM).
    """

    def current(self, purpose: str) -> tuple[int, bytes]:
        """The newest version and its key, made on first use. Raises GatewayError(STORE_UNAVAILABLE)."""
        ...

    def version(self, purpose: str, number: int) -> bytes:
        """One particular key. Raises VersionEnded, and GatewayError(STORE_UNAVAILABLE) for one that the ring
        never had."""
        ...


class Version(NamedTuple):
    """One version of a key, without the key."""

    number: int
    """From 1."""
    created: str
    """RFC 3339."""
    ends: float = math.inf
    """Seconds since 1970: from then on it opens and verifies nothing."""


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


class KeptRing(RotatingRing, Protocol):
    """A ring whose versions can be ended, and that can be kept elsewhere. Each verb raises
    GatewayError(STORE_UNAVAILABLE)."""

    def ensure(self, purposes: Iterable[str]) -> None:
        """Make the first version of each that has none."""
        ...

    def end(self, purpose: str, numbers: Iterable[int], at: float) -> None:
        """Let these versions end then, unless they end sooner; seconds since 1970. The newest one never ends.

        One that has ended is destroyed with the next change of the ring.
        """
        ...

    def document(self) -> bytes:
        """All of it that has not ended, to be kept where nobody reads it."""
        ...
