"""The parts of a decision record, each made from the value that it describes."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from doorward.audit.digests import LARGE, RAW_BEYOND, Digested, DigestKey
from doorward.audit.records import NAMES, Actor, Args, Delegate, Mcp, Result, Ruling, Softened, Trace, clip
from doorward.model.call import Call, Inbound, Outcome, Session
from doorward.model.canonical import canonical
from doorward.model.principal import Actor as Acting
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.model.verdict import Deny, Hold, Mode, Permit

_ENCODE: Final = msgspec.json.encode
_INT64: Final = 1 << 63
_traceparent: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?", re.DOTALL
).fullmatch
"""W3C Trace Context, section 3.2; a later version may append fields."""
TYPES: Final[Mapping[type, str]] = {
    str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", list: "array",
    dict: "object",
}  # fmt: skip
_COUNTED: Final = frozenset({str, list, dict})
_RAW_TYPES: Final = {ord('"'): "string", ord("["): "array", ord("{"): "object", ord("t"): "boolean",
                     ord("f"): "boolean", ord("n"): "null"}  # fmt: skip
LONGEST_NAME: Final = 64
"""Characters of an argument's name."""


class Shape(NamedTuple):
    """Arguments without their values; see records.Args."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    sizes: tuple[int | None, ...]
    more: int


def actor_of(principal: Principal, call: Call | None) -> Actor:
    """Who asked; `client` is what the client says of itself."""
    return identity_of(principal, None if call is None else client_of(call.client))


def identity_of(principal: Principal, client: str | None) -> Actor:
    """What was proven of a caller, beside what its client says of itself."""
    chain = principal.actors
    return Actor(
        clip(principal.subject),
        principal.method,
        principal.agent,
        principal.key_id,
        client,
        tuple([clip(actor.subject) for actor in chain]),
        clip(principal.issuer) or None,
        None if principal.client is None else clip(principal.client),
        principal.human,
        # Of the others `method` says as much.
        principal.strength if principal.strength == "bound token" else None,
        tuple([_delegate(actor) for actor in chain]),
    )


def _delegate(actor: Acting) -> Delegate:
    client = None if actor.client is None else clip(actor.client)
    return Delegate(clip(actor.issuer), clip(actor.subject), actor.kind, client, actor.agent)


def client_of(info: Mapping[str, Any]) -> str | None:
    """clientInfo as "name/version"; None when it says no name."""
    name, version = info.get("name"), info.get("version")
    if not isinstance(name, str):
        return None
    return clip(f"{name}/{version}" if isinstance(version, str) else name, 100)


def mcp_of(inbound: Inbound, call: Call | None, target: Target | None) -> Mcp:
    """What was asked for; of a message that could not be read only where it came in."""
    if call is None:
        return Mcp(inbound.transport, endpoint=inbound.endpoint)
    request_id = bounded(call.id)
    if target is None:
        asked = call.params.get("name", call.params.get("uri"))
        name = clip(asked) if isinstance(asked, str) else None
        return Mcp(
            inbound.transport,
            clip(call.method),
            call.version,
            request_id,
            call.endpoint,
            name=name,
            session=session_of(call.session),
        )
    definition = target.definition
    return Mcp(
        inbound.transport,
        clip(call.method),
        call.version,
        request_id,
        call.endpoint,
        target.server or None,
        target.kind,
        clip(target.name),
        None if definition is None else definition.digest,
        _asked(call, target),
        session_of(call.session),
    )


def session_of(session: Session | None) -> str | None:
    """As records name it: its id is random, so the digest needs no key."""
    return None if session is None else hashlib.sha256(session.id.encode()).hexdigest()[:16]


def trace_of(call: Call | None) -> Trace | None:
    """From `_meta.traceparent`, the one that is sent on; None where it is none (SEP-414)."""
    given = None if call is None else call.meta.get("traceparent")
    found = _traceparent(given) if isinstance(given, str) else None
    return None if found is None else Trace(found[1], found[2])


def _asked(call: Call, target: Target) -> str | None:
    """What the aggregate calls its target, where the server calls it otherwise."""
    if call.endpoint is not None or not target.server:
        return None
    ref = call.params.get("ref")
    params = ref if isinstance(ref, dict) else call.params
    name = params.get("name", params.get("uri"))
    return clip(name) if isinstance(name, str) and name != target.name else None


def ruling_of(
    verdict: Permit | Deny | Hold | Reason, target: Target | None, revision: str, modes: Mapping[str, Mode]
) -> Ruling:
    """What was decided. A Reason is an end before policy spoke."""
    mode = None if target is None else modes.get(target.server)
    if isinstance(verdict, Permit):
        softened = verdict.softened
        if softened is None:
            return Ruling("permit", revision, mode, None, verdict.rules)
        instead = Softened(softened.reason, softened.rules, _bound(softened))
        return Ruling("permit", revision, mode, None, verdict.rules, softened=instead)
    if isinstance(verdict, Deny):
        argument = None if verdict.argument is None else clip(verdict.argument)
        return Ruling(
            "deny",
            revision,
            mode,
            verdict.reason,
            verdict.rules,
            verdict.nearest,
            argument,
            bound=_bound(verdict),
            scopes=verdict.scopes,
        )
    if isinstance(verdict, Hold):
        return Ruling("hold", revision, mode, verdict.reason, verdict.rules)
    return Ruling("refuse", revision, mode, verdict)


def _bound(denial: Deny) -> str | None:
    return None if denial.bound is None else clip(denial.bound)


def args_of(
    call: Call, target: Target | None, key: DigestKey | Digested, received: Call | None = None
) -> Args | None:
    """The call's arguments as digest, size, names and types; values only of those that the operator marked
    safe.

    `received`: the call as it came, where a control may have changed it.
    """
    arguments, came = _arguments(call), call if received is None else received
    given = arguments if came is call else _arguments(came)
    if not arguments and not given:
        return None
    data, raw = _digestible(came)
    sent = None if given is arguments else _digestible(call)[0]
    shape = shape_of(arguments)
    safe = None
    if target is not None and target.definition is not None and target.definition.safe:
        safe = _safe(arguments, target.definition.safe)
    return Args(
        key.digest(data),
        key.name,
        len(data),
        shape.names,
        shape.types,
        shape.more,
        safe,
        raw,
        None if sent is None or sent == data else key.digest(sent),
        shape.sizes,
    )


def large_args(call: Call | None) -> bytes | None:
    """The arguments as `args_of` digests them, where that is to be done in steps."""
    spelled = None if call is None else call.spelled
    if call is None or spelled is None or len(spelled.canonical) <= LARGE:
        return None
    return spelled.canonical if spelled.arguments is call.params.get("arguments") else None


def digestible(value: Mapping[str, Any]) -> tuple[bytes, bool]:
    """What a digest of an object is taken over, and whether that is its spelling, because it is large."""
    spelled = _ENCODE(value)
    return (spelled, True) if len(spelled) > RAW_BEYOND else (canonical(value), False)


def shape_of(arguments: Mapping[str, Any]) -> Shape:
    """Of the first NAMES of them, and how many more there are."""
    names, values = tuple(arguments)[:NAMES], tuple(arguments.values())[:NAMES]
    if any(len(name) > LONGEST_NAME for name in names):
        names = tuple(clip(name, LONGEST_NAME) for name in names)
    types, sizes = tuple(map(_type_of, values)), tuple(map(size_of, values))
    return Shape(names, types, sizes, max(len(arguments) - NAMES, 0))


def size_of(value: Any) -> int | None:
    """Characters, items or members. None for what has no such thing, and for what nobody has decoded because
    it is large."""
    return len(value) if type(value) in _COUNTED else None


def _type_of(value: Any) -> str:
    if isinstance(value, msgspec.Raw):
        return _RAW_TYPES.get(memoryview(value)[0], "number")
    return TYPES[type(value)]


def _arguments(call: Call) -> Mapping[str, Any]:
    given = call.params.get("arguments")
    return given if isinstance(given, dict) else {}


def _digestible(call: Call) -> tuple[bytes, bool]:
    arguments, spelled = _arguments(call), call.spelled
    if spelled is not None and spelled.arguments is arguments:
        return spelled.canonical, spelled.raw
    return digestible(arguments)


def result_of(
    outcome: Outcome,
    result: bytes | None,
    error_code: int | None,
    reason: Reason | None,
    key: DigestKey | Digested | None,
) -> Result:
    """What came back: size and digest of the bytes as delivered, or the error."""
    if error_code is not None:  # a server's own; JSON has integers of any length
        error_code = max(-_INT64, min(error_code, _INT64 - 1))
    if result is None or key is None:
        return Result(outcome, error_code=error_code, reason=reason)
    return Result(outcome, len(result), key.digest(result), key.name, error_code, reason)


def _safe(arguments: Mapping[str, Any], marked: tuple[str, ...]) -> dict[str, Any]:
    return {name: _shown(arguments[name]) for name in marked[:NAMES] if name in arguments}


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, float):
        return value
    return bounded(value if isinstance(value, str | int) else _ENCODE(value).decode())


def bounded(value: int | str) -> int | str:
    """As a record holds it: texts are clipped, and so are integers beyond 64 bits; JSON has them of any
    length."""
    if isinstance(value, str):
        return clip(value)
    return value if -_INT64 <= value < _INT64 else clip(str(value))
