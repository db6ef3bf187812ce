"""The PROXY protocol, version 2: who is behind the proxy that this connection comes from. No I/O.

Source: "The PROXY protocol", HAProxy, 2020-03-05, section 2.2. Strict where it leaves a choice: version 1 and
every family but TCP over IPv4 and IPv6 are refused, because a client that cannot be named cannot be held to
limits. TLVs are walked and skipped.
"""

import ipaddress
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
FIXED: Final = 16
"""Bytes before the part whose length they say."""
LONGEST: Final = 4096
"""Bytes after the fixed part: real ones have 12 to some hundred."""
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_ADDRESSES: Final = {0x11: (4, 12), 0x21: (16, 36)}
"""Family and protocol to bytes of one address and of both addresses with their ports."""


class ProxyFault(ValueError):
    """This is no acceptable header."""


def check(seen: bytes) -> None:
    """Refuse a beginning that cannot become a header. Raises ProxyFault."""
    if not SIGNATURE.startswith(seen[: len(SIGNATURE)]):
        raise ProxyFault("the connection does not begin with a PROXY header of version 2")


def following(fixed: bytes) -> int:
    """How many bytes follow the first `FIXED` ones. Raises ProxyFault."""
    check(fixed)
    command, family = fixed[12], fixed[13]
    length = int.from_bytes(fixed[14:16], "big")
    if command not in (_LOCAL, _PROXY):
        raise ProxyFault("unknown version or command")
    if command == _PROXY:
        if family not in _ADDRESSES:
            raise ProxyFault("only TCP over IPv4 and IPv6 is taken")
        if length < _ADDRESSES[family][1]:
            raise ProxyFault("too short for its addresses")
    if length > LONGEST:
        raise ProxyFault("too long")
    return length


def source(fixed: bytes, rest: bytes) -> str | None:
    """The client's address; None for a connection of the proxy itself (LOCAL), whose content means nothing.

    `fixed` has been through `following`, `rest` are the bytes that it announced. Raises ProxyFault.
    """
    if fixed[12] == _LOCAL:
        return None
    size, addresses = _ADDRESSES[fixed[13]]
    _check_tlvs(rest[addresses:])
    address = ipaddress.ip_address(rest[:size])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _check_tlvs(tlvs: bytes) -> None:
    """One byte of type, two of length, a value: they must fill what is left exactly."""
    at = 0
    while at < len(tlvs):
        if at + 3 > len(tlvs):
            raise ProxyFault("a TLV is cut off")
        at += 3 + int.from_bytes(tlvs[at + 1 : at + 3], "big")
    if at != len(tlvs):
        raise ProxyFault("a TLV is longer than the header")
