"""The parts of a decision record, each made from the value that it describes."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from doorward.audit.digests import LARGE, Digested, DigestKey, canonical
from doorward.audit.records import NAMES, Actor, Args, Mcp, Result, Ruling, Softened, clip
from doorward.model.call import Call, Inbound, Outcome
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.model.verdict import Deny, Hold, Mode, Permit

_ENCODE: Final = msgspec.json.encode
_INT64: Final = 1 << 63


def actor_of(principal: Principal, call: Call | None) -> Actor:
    """Who asked; `client` is what the client says of itself."""
    return Actor(
        principal.subject,
        principal.method,
        principal.agent,
        principal.key_id,
        principal.client or (None if call is None else client_of(call.client)),
        principal.actors,
    )


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
        return Mcp(inbound.transport, clip(call.method), call.version, request_id, call.endpoint, name=name)
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
    )


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
        instead = Softened(softened.reason, softened.rules)
        return Ruling("permit", revision, mode, None, verdict.rules, softened=instead)
    if isinstance(verdict, Deny):
        argument = None if verdict.argument is None else clip(verdict.argument)
        return Ruling("deny", revision, mode, verdict.reason, verdict.rules, verdict.nearest, argument)
    if isinstance(verdict, Hold):
        return Ruling("hold", revision, mode, verdict.reason, verdict.rules)
    return Ruling("refuse", revision, mode, verdict)


def args_of(call: Call, target: Target | None, key: DigestKey | Digested) -> Args | None:
    """The call's arguments as digest, size and names; values only of those that the operator marked safe."""
    arguments = call.params.get("arguments")
    if not arguments or not isinstance(arguments, dict):
        return None
    spelled = call.spelled
    if spelled is not None and spelled.arguments is arguments:
        data, raw = spelled.canonical, spelled.raw
    else:
        data, raw = canonical(arguments), False
    names, more = names_of(tuple(arguments))
    safe = None
    if target is not None and target.definition is not None and target.definition.safe:
        safe = _safe(arguments, target.definition.safe)
    return Args(key.digest(data), key.name, len(data), names, more, safe, raw)


def large_args(call: Call | None) -> bytes | None:
    """The arguments as `args_of` digests them, where that is to be done in steps."""
    spelled = None if call is None else call.spelled
    if call is None or spelled is None or len(spelled.canonical) <= LARGE:
        return None
    return spelled.canonical if spelled.arguments is call.params.get("arguments") else None


def names_of(given: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """As a record lists them, and how many more there are."""
    if len(given) <= NAMES and max(map(len, given)) <= 64:
        return given, 0
    return tuple(clip(name, 64) for name in given[:NAMES]), max(len(given) - NAMES, 0)


def result_of(
    outcome: Outcome,
    result: bytes | None,
    error_code: int | None,
    reason: Reason | None,
    key: DigestKey | Digested,
) -> Result:
    """What came back: size and digest of the bytes as delivered, or the error."""
    if result is None:
        return Result(outcome, error_code=error_code, reason=reason)
    return Result(outcome, len(result), key.digest(result), key.name, error_code, reason)


def _safe(arguments: dict[str, Any], marked: tuple[str, ...]) -> dict[str, Any]:
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
