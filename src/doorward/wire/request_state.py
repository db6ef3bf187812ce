"""`requestState` (MCP 2026-07-28, "Multi round-trip requests"): what a server wants back with the answers.

A client must hand it back untouched, but nothing forces one to. So the server's own state travels inside a
seal of ours that says which call it belongs to; what comes back in another call, of somebody else, too late
or changed is refused before the server sees it. The server's text is kept as it is.

A seal is base64url without padding over: format (1 byte), version of the key (4 bytes), nonce (12 bytes), and
AES-256-GCM over the MessagePack of `Sealed`, with format and version as associated data.
"""

import base64
import binascii
import hashlib
import struct
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from doorward.wire.errors import WireError

NONCE_BYTES: Final = 12
MAX_SEAL: Final = 60 * 1024
"""Characters. Of a large message no such member may be longer than 64 KiB (wire/large.py), so what a client
could not send back is not sealed: a server's own state may have some 45 KB."""
_FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BI")
_BEFORE: Final = _HEAD.size + NONCE_BYTES
_TAG: Final = 16


class Bound(msgspec.Struct, frozen=True, array_like=True):
    """The call that a state belongs to; a retry must say the same."""

    server: str
    """Its configured name and what it is reached by."""
    owner: str
    """`Principal.owner`."""
    method: str
    target: str
    """Kind and name, as the server calls it."""
    arguments: bytes
    """See `digest_of`."""


class Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What is inside."""

    bound: Bound
    expires: int
    """Seconds since 1970."""
    state: str
    """The server's own."""


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Sealed)
_sorted: Final = msgspec.json.Encoder(order="sorted")


def digest_of(arguments: Any) -> bytes:
    """SHA-256 of the arguments with sorted members. An argument that is large counts as it was spelled."""
    return hashlib.sha256(_sorted.encode(arguments)).digest()


def seal(sealed: Sealed, key: bytes, version: int, nonce: bytes) -> str:
    """`nonce`: NONCE_BYTES that were never used with this key. Raises WireError for too large a state."""
    head = _HEAD.pack(_FORMAT, version)
    box = AESGCM(key).encrypt(nonce, _encoder.encode(sealed), head)
    token = base64.urlsafe_b64encode(head + nonce + box).rstrip(b"=").decode()
    if len(token) > MAX_SEAL:
        raise WireError("its requestState is larger than a client could send back")
    return token


def key_version(token: str) -> int:
    """Which key opens it, if it is one of ours. Raises WireError for what cannot be."""
    return int(_HEAD.unpack_from(_raw(token))[1])


def unseal(token: str, key: bytes) -> Sealed:
    """Raises WireError for what this key has not sealed."""
    raw = _raw(token)
    head, nonce, box = raw[: _HEAD.size], raw[_HEAD.size : _BEFORE], raw[_BEFORE:]
    try:
        return _decoder.decode(AESGCM(key).decrypt(nonce, box, head))
    except (InvalidTag, msgspec.MsgspecError):
        raise WireError("requestState was not issued here") from None


def _raw(token: str) -> bytes:
    if len(token) > MAX_SEAL or not token.isascii():
        raise WireError("requestState was not issued here")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise WireError("requestState was not issued here") from None
    canonical = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token  # one spelling for each seal
    if len(raw) < _BEFORE + _TAG or raw[0] != _FORMAT or not canonical:
        raise WireError("requestState was not issued here")
    return raw
