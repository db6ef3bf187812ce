"""What has to hold of a key: values that can be, and nothing beyond its agent or whoever makes it. Pure.

At use both are asked again (identity/narrow.py, policy/bounds.py): what is judged here is only whether the
operator was promised more than the key will do.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from doorward.control.errors import Forbidden, Unknown
from doorward.control.roles import Operator, Right
from doorward.model.bounds import Rate
from doorward.model.globs import matches
from doorward.model.grants import AgentRules
from doorward.policy.globs import Pattern
from doorward.ports.store import KeyRecord

LIFETIME_S: Final = 90 * 86400.0
"""Of a key for which nobody said how long."""
MOST: Final = 100
"""Globs, or networks, of one key."""
EVERYTHING: Final = ("*",)
_UNIX: Final = "unix"
# The name becomes the principal's subject, which other parts join with "|" and show in one line.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_SERVERS: Final = re.compile(r"[a-z0-9*-]{1,64}")
_TOOLS: Final = re.compile(r"[^\s?\[\]{}]{1,256}")


class Configured(msgspec.Struct, frozen=True):
    """What the configuration in force has that keys are made of."""

    agents: Mapping[str, AgentRules]
    servers: tuple[str, ...]

    def agent(self, name: str) -> AgentRules:
        """Raises Unknown."""
        rules = self.agents.get(name)
        if rules is None or name.startswith("@"):
            raise Unknown(f'no agent is named "{name}"', "add it to the configuration first")
        return rules


def check_name(name: str) -> None:
    """Raises ValueError."""
    if not _NAME.fullmatch(name):
        message = "a key's name has up to 64 letters, digits and . _ @ + -, and begins with a letter or digit"
        raise ValueError(message)


def server_globs(globs: Sequence[str] | None) -> tuple[str, ...] | None:
    """None where everything is left. Raises ValueError."""
    message = "a server is named with lower-case letters, digits and hyphens, and * for any of them"
    return _globs(globs, "servers", _SERVERS, message)


def tool_globs(globs: Sequence[str] | None) -> tuple[str, ...] | None:
    """GLOB, or SERVERS/GLOB. None where everything is left. Raises ValueError."""
    message = "tools are named by GLOB or SERVER/GLOB; only * is special, and there are no blanks"
    return _globs(globs, "tools", _TOOLS, message)


def rate(text: str | None) -> str | None:
    """In its one spelling. Raises ValueError."""
    return None if text is None else str(Rate.parse(text))


def networks(texts: Sequence[str] | None) -> tuple[str, ...] | None:
    """CIDR networks, addresses or "unix", each in its one spelling. Raises ValueError."""
    if texts is None:
        return None
    return tuple(dict.fromkeys(_network(text) for text in _some(texts, "networks")))


def expiry(by: Operator, expires_at: float | msgspec.UnsetType | None, now: float) -> float | None:
    """When it ends, in seconds since 1970; UNSET takes what is usual. Raises ValueError, Forbidden."""
    if expires_at is msgspec.UNSET:
        usual = now + LIFETIME_S
        return usual if by.expires_at is None else min(usual, by.expires_at)
    if expires_at is None:
        by.require(Right.KEYS_ENDLESS)
    elif not now < expires_at < float("inf"):
        raise ValueError("a key expires in the future or never")
    _within_time(by, expires_at)
    return expires_at


def check_new_secret(by: Operator, key: KeyRecord) -> None:
    """Who is there for a while would keep the secret of a key that somebody else answers for. Raises
    Forbidden. A key of the operator's own ends with its maker's time anyway (identity/narrow.py)."""
    if key.creator_id != by.id:
        _within_time(by, key.expires_at)


def _within_time(by: Operator, ends: float | None) -> None:
    if by.expires_at is not None and (ends is None or ends > by.expires_at):
        hint = "let the key end with it, or ask an operator whose time does not end"
        raise Forbidden(f"the key would outlive the time of {by.name}, who makes its secret", hint)


def beyond_agent(
    rules: AgentRules, configured: Configured, *, servers: bool, tools: bool, rate: bool, key: KeyRecord
) -> Iterator[str]:
    """In words, what a key names that its agent does not have. The flags say which limits to look at."""
    if servers and key.servers is not None:
        yield from _servers_beyond(rules, configured, key.servers)
    if tools and key.tools is not None:
        for pattern in key.tools:
            yield from _tools_beyond(rules, configured, key, pattern)
    if rate and key.rate is not None and rules.rate is not None:
        wanted = Rate.parse(key.rate)
        if wanted.count / wanted.per_s > rules.rate.count / rules.rate.per_s:
            yield f"rate {wanted}: agent {rules.name} has {rules.rate} ({rules.rate_at})"


def check_hand_out(by: Operator, right: Right, key: KeyRecord, configured: Configured) -> None:
    """Whether `by` may have to do with a key as it is, or as it would be. Raises Forbidden.

    A key of the operator's own needs no list of servers: theirs hold for it anyway.
    """
    by.require_agent(right, key.agent)
    if by.servers is None:
        return
    if key.creator_id != by.id:
        theirs = [Pattern(glob) for glob in by.servers]
        if key.servers is None or not all(_covered(theirs, glob) for glob in key.servers):
            message = f"the key reaches further than {by.name}, who hands out {_listed(by.servers)} only"
            raise Forbidden(message, "ask an operator without limits")
    elif key.servers is not None:
        for server in _fitting(key.servers, configured.servers):
            by.require_within(right, agent=key.agent, server=server)


def reach(rules: AgentRules | None, configured: Configured, *limits: tuple[str, ...] | None) -> list[str]:
    """The servers on which the agent has a grant, and which every one of `limits` leaves."""
    if rules is None:
        return []
    return [
        server
        for server in configured.servers
        if _granted(rules, server)
        and all(limit is None or any(matches(glob, server) for glob in limit) for limit in limits)
    ]


def _servers_beyond(rules: AgentRules, configured: Configured, globs: Iterable[str]) -> Iterator[str]:
    for glob in globs:
        found = _fitting((glob,), configured.servers)
        if not found:
            yield f'servers "{glob}": the configuration has no such server'
        if beyond := [server for server in found if not _granted(rules, server)]:
            yield f"servers {_listed(beyond)}: agent {rules.name} has no grant there ({_places(rules)})"


def _tools_beyond(rules: AgentRules, configured: Configured, key: KeyRecord, pattern: str) -> Iterator[str]:
    server, slash, tool = pattern.partition("/")
    if not slash:
        server, tool = "*", pattern
    within = [each for each in reach(rules, configured, key.servers) if matches(server, each)]
    if not within:
        yield f'tools "{pattern}": the key reaches no such server'
        return
    allowed = [
        glob
        for grant in rules.grants
        if any(matches(one.pattern, each) for one in grant.servers for each in within)
        for glob in grant.tools.allow
    ]
    if not _covered([Pattern(glob.pattern) for glob in allowed], tool):
        has = ", ".join(f"{glob.pattern} ({glob.at})" for glob in allowed) or f"none ({_places(rules)})"
        yield f'tools "{pattern}": of {_listed(within)} agent {rules.name} may call {has}'


def _granted(rules: AgentRules, server: str) -> bool:
    return any(matches(glob.pattern, server) for grant in rules.grants for glob in grant.servers)


def _fitting(globs: Iterable[str], servers: Sequence[str]) -> list[str]:
    globs = tuple(globs)
    return [server for server in servers if any(matches(glob, server) for glob in globs)]


def _covered(patterns: Iterable[Pattern], glob: str) -> bool:
    return any(pattern.covers(Pattern(glob)) for pattern in patterns)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def _places(rules: AgentRules) -> str:
    return ", ".join(str(grant.at) for grant in rules.grants) or "no grants"


def _globs(
    globs: Sequence[str] | None, what: str, form: re.Pattern[str], message: str
) -> tuple[str, ...] | None:
    if globs is None:
        return None
    for glob in _some(globs, what):
        if not form.fullmatch(glob):
            raise ValueError(message)
    found = tuple(dict.fromkeys(globs))
    return None if found == EVERYTHING else found


def _some(values: Sequence[str], what: str) -> Sequence[str]:
    if not values:
        raise ValueError(f"{what}: a key that nothing is left of is better revoked")
    if len(values) > MOST:
        raise ValueError(f"{what}: more than {MOST} of them")
    return values


def _network(text: str) -> str:
    if text == _UNIX:
        return text
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError('networks: expected an address, a network such as 10.0.0.0/8, or "unix"') from None
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError("networks: write an IPv4 network as IPv4")
    if "/" in text and network.network_address != ipaddress.ip_interface(text).ip:
        raise ValueError(f'networks: write this network as "{network}"')
    return str(network)
