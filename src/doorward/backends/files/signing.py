"""The private keys that sign a log's checkpoints: versions of one purpose in the ring.

Which of them is in force is for the log to say, not for the ring: a new version signs nothing before the
record of its change stands in the log, so that every key of the log has one.
"""

from typing import Final

from doorward.audit.notes import VerifierKey, verifier_key
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.secrets import RotatingRing

PURPOSE: Final = "checkpoints"


class SigningKeys:
    """Looks keys up by their public side. All verbs raise GatewayError(STORE_UNAVAILABLE)."""

    def __init__(self, ring: RotatingRing) -> None:
        self._ring = ring
        self._seeds: dict[VerifierKey, bytes] = {}

    def current(self, origin: str) -> VerifierKey:
        """The ring's newest, made on first use: for a log that has no key yet."""
        return verifier_key(origin, self._ring.current(PURPOSE)[1])

    def seed(self, key: VerifierKey) -> bytes:
        """The private side of `key`; the ring has to have it."""
        if not self.ours(key):
            raise GatewayError(
                Reason.STORE_UNAVAILABLE,
                f"the key ring does not have the key that signs the audit log ({key.text}): restore the ring",
            )
        return self._seeds[key]

    def ours(self, key: VerifierKey) -> bool:
        """Whether the ring has its private side."""
        if key not in self._seeds:
            for version in self._ring.versions(PURPOSE):
                seed = self._ring.version(PURPOSE, version.number)
                self._seeds[verifier_key(key.name, seed)] = seed
        return key in self._seeds
