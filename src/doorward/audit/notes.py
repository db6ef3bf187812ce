"""Signed notes and the checkpoints in them (C2SP signed-note, tlog-checkpoint), with Ed25519 keys.

Parsing is strict: what these functions accept has one spelling, so a note that was parsed and formatted again
is the same text. Everything malformed is a NoteError that says what is wrong.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from doorward.audit.merkle import HASH_BYTES

ED25519: Final = b"\x01"
"""Signature type in key ids and verifier keys."""
MAX_BYTES: Final = 64 * 1024
MAX_SIGNATURES: Final = 16
"""As many as every reader has to accept."""
MAX_SIZE: Final = 1 << 63
"""Records in a tree: more than any number in these formats means."""
_KEY_ID_BYTES: Final = 4
_PUBLIC_BYTES: Final = 32
_DASH: Final = "— "


class NoteError(ValueError):
    """This is no such note, checkpoint or key, or nobody who is known has signed it."""


class VerifierKey(NamedTuple):
    """Who may sign: a name and an Ed25519 public key of 32 bytes."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """4 bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """As people pass it on: name, key id in hexadecimal and key, joined by plus signs."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


class Signature(NamedTuple):
    """One line of signature."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def text(self) -> str:
        """Without the line's end."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}"


class Note(NamedTuple):
    """A text that ends in a line feed, and who vouches for it. Nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(f"{signature.text}\n" for signature in self.signatures)


class Checkpoint(NamedTuple):
    """What a log commits itself to: that its first `size` records have this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text of its note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def verifier_key(name: str, seed: bytes) -> VerifierKey:
    """The public side of a private key, 32 bytes. Raises NoteError for a name that cannot be one."""
    return VerifierKey(
        _name(name), Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    )


def parse_verifier_key(text: str) -> VerifierKey:
    """Raises NoteError."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NoteError("a verifier key is a name, a key id and a key, joined by plus signs")
    material = _base64(parts[2])
    if material[:1] != ED25519 or len(material) != 1 + _PUBLIC_BYTES:
        raise NoteError("this verifier key is not one of Ed25519")
    key = VerifierKey(_name(parts[0]), material[1:])
    if key.text != text:
        raise NoteError("the key id of this verifier key does not belong to its key")
    return key


def sign(text: str, name: str, seed: bytes) -> Signature:
    """Of a note's text, by the private key `seed`. Raises NoteError for a text that no note can have."""
    _require_text(text)
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(text.encode())
    return Signature(name, verifier_key(name, seed).key_id, signature)


def parse_note(data: bytes) -> Note:
    """Raises NoteError."""
    if len(data) > MAX_BYTES:
        raise NoteError("this note is too long")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise NoteError("this note is not UTF-8") from None
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("a note is a text, an empty line and lines of signatures")
    text += "\n"
    _require_text(text)
    signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MAX_SIGNATURES:
        raise NoteError("this note has too many signatures")
    return Note(text, signatures)


def signers(note: Note, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
    """Which of `keys` signed the note, in the order of `keys`; signatures of other keys mean nothing.

    Raises NoteError when a signature that names one of them is not by it, and when there is none at all.
    """
    found = []
    for key in keys:
        by_it = [each for each in note.signatures if (each.name, each.key_id) == (key.name, key.key_id)]
        for signature in by_it:
            _verify(key, signature, note.text)
        found += [key] if by_it else []
    if not found:
        raise NoteError("no known key has signed this note")
    return found


def parse_checkpoint(text: str) -> Checkpoint:
    """From the text of a note. Extension lines are refused: our logs write none. Raises NoteError."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise NoteError("a checkpoint has three lines: origin, size and root")
    origin, size, root = lines[0], lines[1], _base64(lines[2])
    if not (size.isascii() and size.isdecimal()) or (size[0] == "0" and size != "0") or len(size) > 19:
        raise NoteError("the size of this checkpoint is no number")
    if int(size) >= MAX_SIZE:
        raise NoteError("the size of this checkpoint is no size of a log")
    if not origin or len(root) != HASH_BYTES:
        raise NoteError("this checkpoint has no origin, or no root of 32 bytes")
    return Checkpoint(origin, int(size), root)


def _verify(key: VerifierKey, signature: Signature, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature.signature, text.encode())
    except (InvalidSignature, ValueError):
        raise NoteError(f"the signature of {key.name} does not belong to this note") from None


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise NoteError("a line of signature is a dash, a name and base64")
    content = _base64(encoded)
    if len(content) <= _KEY_ID_BYTES:
        raise NoteError("this signature is too short")
    return Signature(_name(name), content[:_KEY_ID_BYTES], content[_KEY_ID_BYTES:])


def _name(name: str) -> str:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise NoteError("a key's name has no spaces and no plus signs, and is not empty")
    return name


def _require_text(text: str) -> None:
    if not text.endswith("\n") or any(character < " " and character != "\n" for character in text):
        raise NoteError("a note's text ends in a line feed and has no other control characters")


def _base64(text: str) -> bytes:
    """In the one spelling that these bytes have: padded, unused bits zero (RFC 4648 section 3.5)."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("this is no base64") from None
    if base64.b64encode(content).decode() != text:
        raise NoteError("this is no base64 as it is written")
    return content
