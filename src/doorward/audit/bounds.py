"""Records of bounded size, whatever is in them (docs/reference/audit-log.md): what does not fit is left out,
and the record says so.

Nobody is refused because his record would be too long. What callers and servers choose is clipped where it
enters a record; here is what is left of the matter: many rules, many controls, many values that the operator
marked.
"""

from typing import Any, Final

import msgspec

from doorward.audit import records
from doorward.audit.records import Decision, Outcome, clip
from doorward.ports.audit import OUTCOME_BYTES

RECORD_BYTES: Final = 60_000
"""Most that a record takes, without its line feed."""
SHORT: Final = 32
"""Characters that are kept of each text, when nothing else helps."""
_FEW: Final = 8
_SPARED: Final = frozenset(
    {
        *("kind", "id", "call_id", "hmac", "received_hmac", "sent_hmac", "definition", "policy_revision"),
        *("reason", "outcome"),
    }
)
"""Texts of our own, of known length."""


def bounded_decision(record: Decision) -> bytes:
    """Encoded. Left out in this order, until it fits: values that the operator marked, names of arguments,
    rules, controls, and then what is beyond the first characters of each text."""
    line = records.encode(record)
    if len(line) <= RECORD_BYTES:
        return line
    shorter, left_out = record, list[str]()
    for name in ("args.safe", "args.names", "decision.rules", "controls"):
        before, shorter = shorter, _without(shorter, name)
        if shorter is not before:
            left_out.append(name)
            line = records.encode(msgspec.structs.replace(shorter, left_out=tuple(left_out)))
            if len(line) <= RECORD_BYTES:
                return line
    return _short(msgspec.structs.replace(shorter, left_out=(*left_out, "texts")))


def bounded_outcome(record: Outcome) -> bytes:
    """Encoded, in the room that its decision came with: controls that do not fit are left out and counted."""
    line = records.encode(record)
    kept = len(record.controls)
    while len(line) >= OUTCOME_BYTES and kept:
        kept //= 2
        left_out = len(record.controls) - kept
        shorter = msgspec.structs.replace(record, controls=record.controls[:kept], more_controls=left_out)
        line = records.encode(shorter)
    if len(line) < OUTCOME_BYTES:
        return line
    more = len(record.controls)
    return _short(msgspec.structs.replace(record, controls=(), more_controls=more, left_out=("texts",)))


def _without(record: Decision, name: str) -> Decision:
    """The very same when there is nothing of it."""
    replace, args, ruling = msgspec.structs.replace, record.args, record.decision
    if name == "args.safe" and args is not None and args.safe:
        return replace(record, args=replace(args, safe=None))
    if name == "args.names" and args is not None and args.names:
        more = args.more_names + len(args.names)
        return replace(record, args=replace(args, names=(), types=(), sizes=(), more_names=more))
    softened = ruling.softened
    if name == "decision.rules" and (ruling.rules or (softened is not None and softened.rules)):
        bare = None if softened is None else replace(softened, rules=())
        return replace(record, decision=replace(ruling, rules=(), softened=bare))
    if name == "controls" and record.controls:
        return replace(record, controls=())
    return record


def _short(record: Decision | Outcome) -> bytes:
    """With every text cut to SHORT characters."""
    return msgspec.json.encode(_cut(msgspec.to_builtins(record)))


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return clip(value, SHORT)
    if isinstance(value, dict):
        return {name: member if name in _SPARED else _cut(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(member) for member in value[:_FEW]]
    return value
