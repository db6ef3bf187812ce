"""Words that nobody else would write, and all the ways in which one could still be there."""

import base64
import gzip
import hashlib
import re
import secrets
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path


def planted(places: str) -> dict[str, str]:
    """One for each of these places."""
    return {place: f"canary{secrets.token_hex(9)}" for place in places.split()}


def forms(word: str) -> Iterator[bytes]:
    """As it is, and as somebody would write it who does not want it seen. All of them in lower case."""
    raw = word.encode()
    yield raw
    yield raw[::-1]
    yield raw.hex().encode()
    yield "".join(f"%{byte:02x}" for byte in raw).encode()
    yield "".join(f"\\u{byte:04x}" for byte in raw).encode()
    yield "".join(f"\\x{byte:02x}" for byte in raw).encode()
    yield word.encode("utf-16-le")[:-1]
    for name in ("md5", "sha1", "sha256", "sha512"):  # without a key: to be undone by trying
        yield hashlib.new(name, raw).hexdigest().encode()


def base64_forms(word: str) -> Iterator[bytes]:
    """What stands in base64 of any text that has the word, wherever it begins: without the edges."""
    raw = word.encode()
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw)
        middle = encoded[4 if shift else 0 : -4]
        yield middle
        yield middle.translate(bytes.maketrans(b"+/", b"-_"))
    yield base64.b64encode(hashlib.sha256(raw).digest())[:-1]


def seen(data: bytes, words: Mapping[str, str]) -> set[str]:
    """Places whose words are in `data`, however they are spelled."""
    lower, found = data.lower(), set[str]()
    for place, word in words.items():
        if any(form in lower for form in forms(word)) or any(form in data for form in base64_forms(word)):
            found.add(place)
    for inner in _inside(data):
        found |= seen(inner, words)
    return found


def _inside(data: bytes) -> Iterator[bytes]:
    """What is compressed in it, or in base64 that is."""
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    for text in re.findall(rb"(?:H4sI|eJ|eN)[A-Za-z0-9+/]{20,}={0,2}", data):
        try:
            raw = base64.b64decode(text[: len(text) // 4 * 4])
            yield zlib.decompressobj(47).decompress(raw)
        except (zlib.error, ValueError):
            continue


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below it, with its content and with its own name."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        yield name, name.encode() + b"\n" + (path.read_bytes() if path.is_file() else b"")
