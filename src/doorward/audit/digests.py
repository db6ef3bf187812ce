"""Keyed digests of what a record must not hold itself.

Arguments are short and guessable, so a bare hash could be undone by trying; an HMAC under a key that changes
each quarter keeps equality for whoever has the key, and destroying the key erases (research brief 5.2).
"""

import hashlib
from datetime import UTC, datetime
from typing import Final

import msgspec

from doorward.model.steps import Steps
from doorward.ports.secrets import SecretRing

LARGE: Final = 128 * 1024
"""Bytes; more of them are digested in steps."""
RAW_BEYOND: Final = 16 * 1024
"""Bytes; arguments of more are digested as they are spelled, without being put into canonical form."""
STEP: Final = 64 * 1024
_BLOCK: Final = 64
_INNER: Final = bytes(value ^ 0x36 for value in range(256))
_OUTER: Final = bytes(value ^ 0x5C for value in range(256))
_spell: Final = msgspec.json.Encoder().encode


class DigestKey:
    """HMAC-SHA-256 (RFC 2104) with the key's two blocks hashed once: half the cost of `hmac.digest`."""

    __slots__ = ("_inner", "_outer", "before_bytes", "before_latency", "name")

    def __init__(self, name: str, key: bytes) -> None:
        """`key`: at most 64 bytes. `name` stands in records beside the digests that the key made."""
        if len(key) > _BLOCK:
            raise ValueError("longer keys would have to be hashed first")
        self.name = name
        spelled = _spell(name).decode()
        self.before_bytes = f'","key":{spelled},"bytes":'
        """What follows a digest of arguments in its record, and of a result."""
        self.before_latency = f'","key":{spelled}}},"latency_ms":{{"total":'
        block = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def digest(self, data: bytes) -> str:
        """64 hexadecimal digits."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()

    def steps(self, data: bytes) -> Steps[str]:
        """`digest` in steps of some 0.1 ms."""
        inner = self._inner.copy()
        view = memoryview(data)
        for at in range(0, len(data), STEP):
            inner.update(view[at : at + STEP])
            yield
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


class Digested:
    """A key of which one digest is known already."""

    __slots__ = ("_data", "_key", "_said", "name")

    def __init__(self, key: DigestKey, data: bytes, said: str) -> None:
        """`said`: the digest of this very `data`."""
        self.name = key.name
        self._key = key
        self._data = data
        self._said = said

    def digest(self, data: bytes) -> str:
        """64 hexadecimal digits."""
        return self._said if data is self._data else self._key.digest(data)


class DigestKeys:
    """The ring's key of the quarter (UTC) that a moment lies in."""

    def __init__(self, ring: SecretRing, tenant: str) -> None:
        self._ring = ring
        self._tenant = tenant
        self.key = DigestKey("", b"")
        """Holds for moments before `until`."""
        self.until = 0.0

    def at(self, moment: float) -> DigestKey:
        """`moment`: seconds since 1970. Raises GatewayError(STORE_UNAVAILABLE)."""
        if moment >= self.until:
            self._turn(moment)
        return self.key

    def _turn(self, moment: float) -> None:
        year, quarter = quarter_of(moment)
        purpose = purpose_of(self._tenant, year, quarter)
        version, key = self._ring.current(purpose)
        self.key = DigestKey(f"{purpose}:{version}", key)
        year, month = (year + 1, 1) if quarter == 4 else (year, quarter * 3 + 1)
        self.until = datetime(year, month, 1, tzinfo=UTC).timestamp()


def quarter_of(moment: float) -> tuple[int, int]:
    """Year and quarter (1 to 4, UTC) of seconds since 1970."""
    day = datetime.fromtimestamp(moment, UTC)
    return day.year, (day.month - 1) // 3 + 1


def purpose_of(tenant: str, year: int, quarter: int) -> str:
    """What the ring calls the key of a quarter."""
    return f"digest:{tenant}:{year}q{quarter}"
