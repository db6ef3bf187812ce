"""What a key is worth: every limit that holds for it, where each comes from, and what is left in the end."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from doorward.control.key_rules import Configured, reach
from doorward.control.keys import find_key, public
from doorward.control.roles import Operator
from doorward.identity.narrow import Narrowed, narrow
from doorward.model.bounds import Rate
from doorward.model.errors import CallerError
from doorward.model.grants import AgentRules, Glob
from doorward.ports.secrets import SecretRing, VersionEnded
from doorward.ports.store import KeyRecord, OperatorRecord, Store

KEY: Final = "key"


class Limit(msgspec.Struct, frozen=True):
    """One thing that somebody says."""

    what: str
    """"servers", "tools", "resources", "prompts", "deny tools", "deny resources", "deny prompts",
    "read_only", "rate", "networks" or "expires"."""
    value: Any
    """A list of globs or networks, true, a rate as text, or seconds since 1970; None: never."""
    of: str
    """Who says it: "agent:NAME", "key" or "creator:NAME"."""
    at: str | None = None
    """FILE:LINE, of what stands in the configuration."""


class Effective(msgspec.Struct, frozen=True):
    """A key with everything that holds for it."""

    record: KeyRecord
    state: str
    """"live", "revoked", "expired" or "suspended"."""
    cause: str | None
    """Why it is suspended."""
    limits: tuple[Limit, ...]
    """The agent's first, then the key's, then its creator's. All of them hold."""
    servers: tuple[str, ...]
    """Of those that are configured, what is left."""
    rate: str | None
    """The slower one of the key's and the agent's."""
    expires_at: float | None
    """The earlier one of the key's end and its creator's."""


def show_key(
    store: Store, ring: SecretRing, configured: Configured, key_id: str, *, by: Operator, now: float
) -> Effective:
    """`key_id` as for `find_key`. Raises Forbidden, Unknown, GatewayError(STORE_UNAVAILABLE)."""
    record = find_key(store, key_id, by=by)
    operators = {operator.id: operator for operator in store.operators()}
    return effective(record, operators, configured, now, ended_peppers(ring, [record]))


def ended_peppers(ring: SecretRing, records: Iterable[KeyRecord]) -> frozenset[int]:
    """Versions of the pepper that some of these were made with and that were ended. Raises
    GatewayError(STORE_UNAVAILABLE)."""
    made_with = {record.pepper_version for record in records}
    return frozenset(number for number in made_with if _ended(ring, number))


def effective(
    record: KeyRecord,
    operators: Mapping[str, OperatorRecord],
    configured: Configured,
    now: float,
    ended: frozenset[int] = frozenset(),
) -> Effective:
    """`operators`: all there ever were, by id. `now`: seconds since 1970. `ended`: see `ended_peppers`."""
    agent = configured.agents.get(record.agent)
    creator = operators.get(record.creator_id or "")
    state, cause, held = _state(record, agent, operators, now, ended)
    creators = None if creator is None else creator.servers
    ends = (record.expires_at, None if creator is None else creator.expires_at)
    rates = (
        None if record.rate is None or held is None else held.rate,
        None if agent is None else agent.rate,
    )
    return Effective(
        record,
        state,
        cause,
        limits=(*_of_agent(record, agent), *_of_key(record), *_of_creator(creator)),
        servers=tuple(reach(agent, configured, record.servers, creators)) if state == "live" else (),
        rate=_slowest(rates),
        expires_at=min((end for end in ends if end is not None), default=None),
    )


def state(
    record: KeyRecord,
    operators: Mapping[str, OperatorRecord],
    configured: Configured,
    now: float,
    ended: frozenset[int] = frozenset(),
) -> str:
    """ "live", "revoked", "expired" or "suspended"."""
    return _state(record, configured.agents.get(record.agent), operators, now, ended)[0]


def as_json(shown: Effective) -> dict[str, Any]:
    """For programs; nothing of it is secret."""
    record = shown.record
    return public(record) | {
        "created_at": record.created_at,
        "created_by": record.created_by,
        "creator_id": record.creator_id,
        "last_used_at": record.last_used_at,
        "state": shown.state,
        "cause": shown.cause,
        "effective": {
            "servers": shown.servers,
            "read_only": record.read_only,
            "rate": shown.rate,
            "networks": record.networks,
            "expires_at": shown.expires_at,
        },
        "limits": [msgspec.structs.asdict(limit) for limit in shown.limits],
    }


def _ended(ring: SecretRing, pepper: int) -> bool:
    try:
        ring.version("pepper", pepper)
    except VersionEnded:
        return True
    return False


def _state(
    record: KeyRecord,
    agent: AgentRules | None,
    operators: Mapping[str, OperatorRecord],
    now: float,
    ended: frozenset[int],
) -> tuple[str, str | None, Narrowed | None]:
    if record.revoked_at is not None:
        return "revoked", None, None
    if record.expires_at is not None and record.expires_at <= now:
        return "expired", None, None
    if record.pepper_version in ended:
        return "suspended", "the pepper of its secret was ended; keys rotate gives it another", None
    if agent is None:
        return "suspended", f"the configuration has no agent {record.agent}", None
    try:
        return "live", None, narrow(record, operators, now)
    except CallerError as error:
        return "suspended", error.message, None


def _of_agent(record: KeyRecord, agent: AgentRules | None) -> Iterator[Limit]:
    if agent is None:
        return
    of = f"agent:{record.agent}"
    for grant in agent.grants:
        yield from _globs("servers", grant.servers, of)
        for what, scope in (
            ("tools", grant.tools), ("resources", grant.resources), ("prompts", grant.prompts)
        ):  # fmt: skip
            yield from _globs(what, scope.allow, of)
            yield from _globs(f"deny {what}", scope.deny, of)
    if agent.rate is not None:
        yield Limit("rate", str(agent.rate), of, str(agent.rate_at))


def _globs(what: str, globs: tuple[Glob, ...], of: str) -> Iterator[Limit]:
    """Those of one line together."""
    lines: dict[str, list[str]] = {}
    for glob in globs:
        lines.setdefault(str(glob.at), []).append(glob.pattern)
    for at, patterns in lines.items():
        yield Limit(what, tuple(patterns), of, at)


def _of_key(record: KeyRecord) -> Iterator[Limit]:
    for what in ("servers", "tools", "rate", "networks"):
        value = getattr(record, what)
        if value is not None:
            yield Limit(what, value, KEY)
    if record.read_only:
        yield Limit("read_only", True, KEY)
    yield Limit("expires", record.expires_at, KEY)


def _of_creator(creator: OperatorRecord | None) -> Iterator[Limit]:
    if creator is None:
        return
    of = f"creator:{creator.name}"
    if creator.servers is not None:
        yield Limit("servers", creator.servers, of)
    if creator.expires_at is not None:
        yield Limit("expires", creator.expires_at, of)


def _slowest(rates: tuple[Rate | None, ...]) -> str | None:
    found = sorted((rate for rate in rates if rate is not None), key=lambda rate: rate.count / rate.per_s)
    return str(found[0]) if found else None
