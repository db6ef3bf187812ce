"""The alphabet of our credentials, chance in it, and the checksum that ends each of them. Pure but for
chance."""

import secrets
import string
import zlib
from typing import Final

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
CRC_LENGTH: Final = 6  # 62 ** 6 > 2 ** 32
_LETTERS: Final = frozenset(ALPHABET)


def drawn(length: int) -> str:
    """That many characters from the system's random source."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def holds(text: str) -> bool:
    """Whether all characters of `text` are of the alphabet."""
    return _LETTERS.issuperset(text)


def checksum(body: str) -> str:
    """CRC-32 of ASCII text: a typo is found before anything is looked up, and scanners for leaked secrets
    tell a credential from what only begins like one."""
    value = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(CRC_LENGTH):
        value, rest = divmod(value, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))
