"""A key ring as a file to be kept elsewhere, under a passphrase (docs/reference/secrets.md has the format).

scrypt (RFC 7914) makes a key of the passphrase, AES-256-GCM seals the ring with it. Everything in clear is
authenticated with it, so that no parameter can be changed unnoticed.
"""

import base64
import binascii
import hashlib
import os
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT: Final = "doorward-secrets-export/1"
SHORTEST: Final = 12
"""Characters of a passphrase."""
MAX_BYTES: Final = 4 << 20
COST: Final = (2**17, 8, 1)
"""N, r and p: 128 MiB and a third of a second for every guess."""
_MOST_MEMORY: Final = 512 << 20
_SALT, _NONCE, _KEY = 16, 12, 32


class WrongPassphrase(ValueError):
    """Or a file that was changed: nobody can tell which."""


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    kdf: str
    n: int
    r: int
    p: int
    salt: str
    cipher: str
    nonce: str


class _Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    head: _Head
    data: str


def seal(document: bytes, passphrase: str, cost: tuple[int, int, int] = COST) -> bytes:
    """The file, as JSON with a newline. Raises ValueError for a passphrase that is too short."""
    if len(passphrase) < SHORTEST:
        raise ValueError(f"a passphrase has at least {SHORTEST} characters")
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    head = _Head(FORMAT, "scrypt", *cost, _coded(salt), "AES-256-GCM", _coded(nonce))
    box = AESGCM(_key(passphrase, salt, head)).encrypt(nonce, document, msgspec.json.encode(head))
    return msgspec.json.format(msgspec.json.encode(_Export(head, _coded(box)))) + b"\n"


def unseal(content: bytes, passphrase: str) -> bytes:
    """What was sealed. Raises WrongPassphrase, ValueError for what is no such file or wants too much."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"the file is larger than {MAX_BYTES} bytes")
    try:
        export = msgspec.json.decode(content, type=_Export)
        head = export.head
        salt, nonce, box = (
            base64.b64decode(text, validate=True) for text in (head.salt, head.nonce, export.data)
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error) as error:
        raise ValueError("the file is no export of secrets") from error
    if (head.format, head.kdf, head.cipher) != (FORMAT, "scrypt", "AES-256-GCM"):
        raise ValueError("the file has a format that this version of Doorward does not know")
    if (
        len(nonce) != _NONCE
        or not head.n >= 2
        or not 0 < 128 * head.n * head.r * max(1, head.p) <= _MOST_MEMORY
    ):
        raise ValueError("the file asks for parameters that no export has")
    try:
        return AESGCM(_key(passphrase, salt, head)).decrypt(nonce, box, msgspec.json.encode(head))
    except InvalidTag:
        raise WrongPassphrase("the passphrase is another one, or the file was changed") from None


def _key(passphrase: str, salt: bytes, head: _Head) -> bytes:
    """Raises ValueError for parameters that scrypt does not have."""
    secret = passphrase.encode("utf-8", "surrogatepass")
    memory = 2 * _MOST_MEMORY
    return hashlib.scrypt(secret, salt=salt, n=head.n, r=head.r, p=head.p, maxmem=memory, dklen=_KEY)


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode()
