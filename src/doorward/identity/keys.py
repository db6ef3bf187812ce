"""Virtual keys: their text form and their stored digest (DESIGN section 6). Pure but for minting.

`dw_<live|test>_<id>_<secret><crc>`: the fixed prefix lets secret scanners find leaked keys, the CRC-32
rejects a typo before anything is looked up, and the id is public, so that it can be logged and indexed. The
secret has 256 bits, which is why a plain HMAC suffices where a password would need a slow hash.
"""

import hashlib
import hmac
from typing import Final

import msgspec

from doorward.identity.base62 import CRC_LENGTH, checksum, drawn, holds

ENVIRONMENTS: Final = ("live", "test")
ID_LENGTH: Final = 12
SECRET_LENGTH: Final = 43  # 62 ** 43 > 2 ** 256


class VirtualKey(msgspec.Struct, frozen=True, gc=False):
    """A key in plain form: exists while it is shown once, and while it is being checked."""

    environment: str
    """"live" or "test"."""
    id: str
    secret: str

    def __repr__(self) -> str:
        return f"VirtualKey({self.environment}, {self.id}, ***)"

    @property
    def text(self) -> str:
        """What the caller presents."""
        body = f"dw_{self.environment}_{self.id}_{self.secret}"
        return body + checksum(body)


def mint(environment: str) -> VirtualKey:
    """A new key from the system's random source. Raises ValueError for an unknown environment."""
    if environment not in ENVIRONMENTS:
        raise ValueError(f"environment is {environment!r}, not one of {', '.join(ENVIRONMENTS)}")
    return VirtualKey(environment, drawn(ID_LENGTH), drawn(SECRET_LENGTH))


def parse(text: str) -> VirtualKey:
    """The parts of a presented key. Raises ValueError, whose text never repeats the key."""
    if not text.isascii() or not text.startswith("dw_"):
        raise ValueError("not a Doorward key: it does not begin with dw_live_ or dw_test_")
    body, written = text[:-CRC_LENGTH], text[-CRC_LENGTH:]
    if checksum(body) != written:
        raise ValueError("the key is incomplete or mistyped: its checksum does not fit")
    parts = body.split("_")
    if len(parts) != 4 or parts[1] not in ENVIRONMENTS:
        raise ValueError("not a Doorward key: it does not begin with dw_live_ or dw_test_")
    _, environment, key_id, secret = parts
    if len(key_id) != ID_LENGTH or len(secret) != SECRET_LENGTH or not holds(key_id + secret):
        raise ValueError("not a Doorward key: its parts have the wrong length or alphabet")
    return VirtualKey(environment, key_id, secret)


def digest(pepper: bytes, secret: str) -> bytes:
    """What is stored: HMAC-SHA-256 (RFC 2104) of the secret under the ring's pepper."""
    return hmac.digest(pepper, secret.encode("ascii"), hashlib.sha256)


def matches(stored: bytes, pepper: bytes, secret: str) -> bool:
    """Whether `secret` is the one whose digest was stored, in time that does not depend on the answer."""
    return hmac.compare_digest(stored, digest(pepper, secret))
