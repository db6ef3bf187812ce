"""What a key leaves of its agent's authority, and whether it counts at all: key and creator in, bounds out.

A key never exceeds who made it, also not afterwards: the creator's limits are looked at when the key is
used, and a creator who may hand out no keys any more takes along those that were handed out. A key older
than operators has nobody above it. Pure; what cannot be read suspends the key.
"""

import ipaddress
import math
from collections.abc import Mapping
from typing import Final

import msgspec

from doorward.identity import keys
from doorward.model.bounds import Bounds, Narrowing, Rate
from doorward.model.errors import CallerError
from doorward.model.globs import matches
from doorward.model.reasons import Reason
from doorward.ports.secrets import SecretRing, VersionEnded
from doorward.ports.store import KeyRecord, OperatorRecord

HANDS_OUT: Final = frozenset({"owner", "operator"})
"""Roles whose keys count: those with the right keys:create (control/roles.py, which a test compares)."""
UNIX: Final = "unix"
"""The peer of a Unix socket, and its name among networks."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Networks(msgspec.Struct, frozen=True):
    """Where a key may be presented from."""

    ip: tuple[Network, ...]
    unix: bool = False

    @classmethod
    def parse(cls, texts: tuple[str, ...]) -> "Networks":
        """CIDR networks, addresses, or `unix`. Raises ValueError."""
        ip = tuple(ipaddress.ip_network(text) for text in texts if text != UNIX)
        return cls(ip, UNIX in texts)

    def __contains__(self, peer: str) -> bool:
        """Whether a peer (an address, or "unix") is in one of them. What is no address is in none."""
        if peer == UNIX:
            return self.unix
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self.ip)


class Narrowed(msgspec.Struct, frozen=True):
    """What is in force for a key besides the grants of its agent."""

    bounds: Bounds | None
    """None where neither key nor creator narrow anything."""
    rate: Rate | None
    networks: Networks | None
    """None: it may come from anywhere. To be checked against every peer that presents it."""
    until: float
    """Seconds since 1970 when it, or its creator's time, ends; infinite when neither does."""


def proves(key: KeyRecord, secret: str, ring: SecretRing, now: float) -> float | None:
    """Until when `secret` is one of the key's secrets: infinite for its present one, the end of the overlap
    for the one that a rotation has replaced. None when it is neither, or is not any more.

    Raises GatewayError(STORE_UNAVAILABLE) where the ring lacks a pepper.
    """
    if _matches(key.digest, key.pepper_version, ring, secret):
        return math.inf
    previous = key.previous
    if previous is None or now >= previous.until:
        return None
    return previous.until if _matches(previous.digest, previous.pepper_version, ring, secret) else None


def _matches(digest: bytes, version: int, ring: SecretRing, secret: str) -> bool:
    """What was made under a pepper that was ended proves nothing any more."""
    try:
        pepper = ring.version("pepper", version)
    except VersionEnded:
        return False
    return keys.matches(digest, pepper, secret)


def narrow(key: KeyRecord, operators: Mapping[str, OperatorRecord], now: float) -> Narrowed:
    """What is left of the agent's authority. `operators`: all there ever were, by id. `now`: seconds since
    1970.

    Raises CallerError(KEY_SUSPENDED), whose message says why; it is for operators, not for the caller.
    """
    try:
        rate = None if key.rate is None else Rate.parse(key.rate)
        networks = None if key.networks is None else Networks.parse(key.networks)
    except ValueError as error:
        raise _suspended(f"a limit of the key cannot be read: {error}") from None
    narrowings = []
    if key.servers is not None or key.tools is not None or key.read_only:
        narrowings.append(Narrowing("key", key.servers, key.tools, key.read_only))
    until = math.inf if key.expires_at is None else key.expires_at
    creator = _creator(key, operators, now)
    if creator is not None:
        if creator.servers is not None:
            narrowings.append(Narrowing(f"creator:{creator.name}", creator.servers))
        if creator.expires_at is not None:
            until = min(until, creator.expires_at)
    return Narrowed(Bounds(tuple(narrowings)) if narrowings else None, rate, networks, until)


def _creator(key: KeyRecord, operators: Mapping[str, OperatorRecord], now: float) -> OperatorRecord | None:
    """Who made the key, and may still hand it out. Raises CallerError(KEY_SUSPENDED)."""
    if key.creator_id is None:
        return None
    creator = operators.get(key.creator_id)
    if creator is None or creator.removed_at is not None:
        raise _suspended(f"{key.created_by}, who made the key, is no operator any more")
    if creator.expires_at is not None and creator.expires_at <= now:
        raise _suspended(f"the time of {creator.name}, who made the key, is over")
    if creator.role not in HANDS_OUT:
        raise _suspended(f"{creator.name}, who made the key, is {creator.role} now, who hands out no keys")
    if creator.agents is not None and not any(matches(glob, key.agent) for glob in creator.agents):
        raise _suspended(
            f"{creator.name}, who made the key, has nothing to do with agent {key.agent} any more"
        )
    return creator


def _suspended(message: str) -> CallerError:
    return CallerError(Reason.KEY_SUSPENDED, message)
