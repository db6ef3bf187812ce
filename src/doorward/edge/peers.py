"""Addresses of peers: one spelling for each, which networks they are in, whose share they count against."""

import ipaddress
from collections.abc import Iterable
from typing import Final

UNIX: Final = "unix"
"""The peer of a Unix socket, and its name among networks."""
_REMEMBERED: Final = 4096


def canonical(text: str) -> str | None:
    """One spelling of an IPv4 or IPv6 address; an IPv4 address mapped into IPv6 as IPv4.

    None for what is no address; a zone (`%eth0`) is dropped, as only this machine knows what it means.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def share(peer: str) -> str:
    """Whose limits a peer counts against: an IPv4 address, or the /64 that one client of IPv6 has whole."""
    if ":" not in peer:
        return peer
    try:
        return str(
            ipaddress.ip_network((int(ipaddress.IPv6Address(peer.partition("%")[0])), 64), strict=False)
        )
    except ValueError:
        return peer


class Networks:
    """A set of networks. Which addresses are in it is remembered, for a bounded number of them."""

    __slots__ = ("_known", "_networks", "_unix")

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """CIDR blocks, addresses, or `unix`. Raises ValueError."""
        given = list(networks)
        self._unix = UNIX in given
        self._networks = [ipaddress.ip_network(each) for each in given if each != UNIX]
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def __contains__(self, peer: str) -> bool:
        """Whether a canonical address (or `unix`) is in one of the networks."""
        if peer == UNIX:
            return self._unix
        found = self._known.get(peer)
        if found is None:
            found = self._find(peer)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[peer] = found
        return found

    def _find(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
