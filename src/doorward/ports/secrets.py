"""Our own secrets (DESIGN section 6)."""

from typing import Protocol


class SecretRing(Protocol):
    """One versioned 256-bit key per purpose. Old versions stay readable until they are destroyed.

    Purposes in use: `pepper` (key digests), `digest:<tenant>:<yyyy>q<n>` (HMACs in audit records),
    `request-state` (the seal around a server's requestState).
    """

    def current(self, purpose: str) -> tuple[int, bytes]:
        """The newest version and its key, made on first use. Raises GatewayError(STORE_UNAVAILABLE)."""
        ...

    def version(self, purpose: str, number: int) -> bytes:
        """One particular key. Raises GatewayError(STORE_UNAVAILABLE) when the ring does not have it."""
        ...
