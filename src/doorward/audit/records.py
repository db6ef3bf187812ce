"""The record vocabulary: one JSON object per line, `kind` first (research brief 5.1).

Every text that a caller can choose is clipped, so a record has an upper bound whatever was sent (bounds.py).
Fields that do not apply are left out. `v` is raised when a field changes its meaning; adding one is no new
version. What each field says, and when it is absent: docs/reference/audit-records.md, which a test holds
against this file.
"""

from typing import Any, Final

import msgspec

from doorward.model.verdict import ControlRun, RuleRef

VERSION: Final = 2
"""1 had `args.hmac`, over JSON that was sorted another way."""
TENANT: Final = "default"
"""Whose records those are that no caller's tenant stands behind."""
CLIP: Final = 256
MARK: Final = "…"
NAMES: Final = 64
"""Most argument names that one record lists."""


def clip(text: str, limit: int = CLIP) -> str:
    """At most `limit` characters, the last of which says that some are missing."""
    return text if len(text) <= limit else text[: limit - 1] + MARK


class Delegate(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One party of a delegation chain, as the token says it (RFC 8693 section 4.1)."""

    issuer: str
    subject: str
    kind: str
    """"human", "agent", "service" or "unknown"."""
    client: str | None = None
    agent: str | None = None
    """The entry under `agents:` whose grants had to allow the call, too."""


class Actor(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Who asked, or for a change who made it."""

    subject: str
    method: str
    """How it is known: "key", "jwt", "introspection", "certificate" or "none"; for a change "cli", "file" or
    "signal"."""
    agent: str | None = None
    key_id: str | None = None
    client: str | None = None
    """clientInfo as "name/version": unverified."""
    actors: tuple[str, ...] = ()
    issuer: str | None = None
    """Whose word `subject` is."""
    client_id: str | None = None
    """OAuth client of the token."""
    human: bool = False
    strength: str | None = None
    """"bound token": it counts only with the certificate that it names."""
    chain: tuple[Delegate, ...] = ()
    """`actors`, with what else is known of them."""


class Mcp(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was asked for, as far as it could be read and routed."""

    transport: str
    method: str | None = None
    version: str | None = None
    request_id: int | str | None = None
    endpoint: str | None = None
    server: str | None = None
    kind: str | None = None
    name: str | None = None
    definition: str | None = None
    """SHA-256 of the definition in force."""
    asked: str | None = None
    """The name or URI that the caller used, where `name`, the server's own, is another one."""
    session: str | None = None
    """First 16 hexadecimal digits of the SHA-256 of the session's id, which is the client's to know."""


class Way(msgspec.Struct, frozen=True, gc=False):
    """How a server is reached, as configured."""

    transport: str
    """"http" (HTTP+SSE included) or "stdio"."""
    credential: str
    """What it is shown of ours: "none", "bearer", "headers", "certificate" or "env" (a local server's
    environment); never the value."""


class Trace(msgspec.Struct, frozen=True, gc=False):
    """Where the caller says that the call belongs (SEP-414, W3C Trace Context): unverified."""

    id: str
    """32 hexadecimal digits."""
    span: str
    """16 hexadecimal digits: the caller's own span."""


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """A control that did not run, and why not."""

    id: str
    why: str
    """"off" by configuration, or "not_reached" because one before it had ended the call."""


class Softened(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The denial that `mode: audit` let pass."""

    reason: str
    rules: tuple[RuleRef, ...] = ()
    bound: str | None = None


class Ruling(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was decided, and by what."""

    effect: str
    """"permit", "deny", "hold", or "refuse" for what ended before policy spoke."""
    policy_revision: str
    mode: str | None = None
    reason: str | None = None
    rules: tuple[RuleRef, ...] = ()
    nearest: RuleRef | None = None
    argument: str | None = None
    softened: Softened | None = None
    bound: str | None = None
    """Who denied, if not the agent's own rules (model/verdict.py)."""
    scopes: tuple[str, ...] = ()
    """What the operation needs, where the token lacks some of it."""


class Args(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The arguments without their values; `safe` holds those that the operator marked.

    `received_hmac` and `bytes` are of the arguments as they came, all else is of what was judged last: the
    same, unless a control changed them.
    """

    received_hmac: str
    key: str
    bytes: int
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    """Of each of `names`: string, integer, number, boolean, null, array or object."""
    more_names: int = 0
    safe: dict[str, Any] | None = None
    raw: bool = False
    """Whether `received_hmac` and `bytes` are of the arguments as spelled, not of their canonical form: large
    ones."""
    sent_hmac: str | None = None
    """As sent (or as judged last), where a control changed them."""
    sizes: tuple[int | None, ...] = ()
    """Of each of `names`: characters, items or members; None where there is nothing to count, or too much."""


class Result(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What came back. Without `hmac` there was no result to deliver."""

    outcome: str
    bytes: int = 0
    hmac: str | None = None
    key: str | None = None
    error_code: int | None = None
    reason: str | None = None


class Latency(msgspec.Struct, frozen=True, gc=False):
    """Milliseconds to the microsecond; `gateway` is `total` without `upstream`."""

    total: float
    upstream: float
    gateway: float


class Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", kw_only=True):
    """What all records have."""

    v: int
    id: str
    """UUIDv7; shippers and readers drop a second record with the same id."""
    ts: int
    """Milliseconds since 1970, UTC."""
    tenant: str
    gateway: str = ""
    """Which of the replicas; empty for what no gateway did."""


class Decision(Record, frozen=True, gc=False, omit_defaults=True, tag="decision", kw_only=True):
    """The verdict on one call, written before the call is sent. Its `id` is also the call's."""

    call_id: str
    actor: Actor
    peer: str
    """Network of the caller, /24 or /64, or "stdio"."""
    decision: Ruling
    mcp: Mcp | None = None
    op_class: str | None = None
    way: Way | None = None
    trace: Trace | None = None
    skipped: tuple[Skipped, ...] = ()
    args: Args | None = None
    controls: tuple[ControlRun, ...] = ()
    """In the order they ran."""
    during: str | None = None
    """Of what a server asks its client: the call that it asks about."""
    left_out: tuple[str, ...] = ()
    """Fields that would have made the record too large (bounds.py)."""


class Outcome(Record, frozen=True, gc=False, omit_defaults=True, tag="outcome", kw_only=True):
    """What became of a permitted call."""

    call_id: str
    result: Result
    latency_ms: Latency
    controls: tuple[ControlRun, ...] = ()
    more_controls: int = 0
    """Those that are left out, because a record of an outcome has only the room that was kept for it."""
    left_out: tuple[str, ...] = ()
    """As of a decision."""


class Refusal(Record, frozen=True, gc=False, omit_defaults=True, tag="refusal", kw_only=True):
    """A request whose caller never became known; several of them when `count` says so."""

    reason: str
    peer: str
    """Network; of a roll-up the one that was refused most often."""
    transport: str | None = None
    endpoint: str | None = None
    count: int = 1
    networks: int = 1
    """How many networks a roll-up spans."""
    since: int | None = None
    """Start of a roll-up, in milliseconds since 1970."""
    detail: str | None = None
    """Why, in more words than the caller was told."""


class Denials(Record, frozen=True, gc=False, omit_defaults=True, tag="denials", kw_only=True):
    """Denials of one caller that were alike and too many to be written singly: only counted.

    None of them has a decision record of its own.
    """

    actor: Actor
    effect: str
    reason: str
    count: int
    since: int
    """Of the first of them, in milliseconds since 1970; `ts` is when the count was written."""
    last: str
    """Id of the last of them, as its caller was told."""
    peer: str
    """Network of the last of them."""
    method: str | None = None
    server: str | None = None
    name: str | None = None


class Change(Record, frozen=True, gc=False, omit_defaults=True, tag="change", kw_only=True):
    """A change of state by an operator, written before it takes effect: in one transaction with it, or before
    the swap to a new configuration."""

    action: str
    """"key:create", "key:change", "key:rotate", "key:revoke", "operator:create" and so on for operators,
    "secret:rotate", "audit:hash", or, of a new configuration, "config:replace", "policy:replace",
    "mode:set", "server:replace", "identity:replace" or "tls:replace"."""
    actor: Actor
    object: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class Changed(msgspec.Struct, frozen=True):
    """What a change record says beside who made it and when."""

    action: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Lifecycle(Record, frozen=True, gc=False, omit_defaults=True, tag="lifecycle", kw_only=True):
    """Something that happened to the gateway itself."""

    event: str
    """Past tense: "started", "stopped", "log_recovered", "reloaded", "reload_refused", "suspended" and
    "clock_moved" (app/clock.py), "segment_pruned"."""
    detail: dict[str, Any] = {}


class Segment(Record, frozen=True, gc=False, omit_defaults=True, tag="segment", kw_only=True):
    """First in every segment, which it ties to all records before (docs/reference/audit-log.md)."""

    number: int
    """Of the segment, from 1."""
    first: int
    """This record's own number in the log, from 0."""
    root: str
    """Base64 of the root over all records before this one."""
    previous: str | None = None
    """File stem of the segment before."""


class Heartbeat(Record, frozen=True, gc=False, omit_defaults=True, tag="heartbeat", kw_only=True):
    """Every 60 s of a running gateway, so that a gap in the log cannot pass for a quiet hour."""

    records: int
    """Written since the heartbeat before, or since the start."""
    size: int
    """Records in the tree."""
    checkpoint: int
    """Size of the newest checkpoint."""


AnyRecord = Decision | Outcome | Refusal | Denials | Change | Lifecycle | Segment | Heartbeat
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)


def encode(record: AnyRecord) -> bytes:
    """One line without its newline."""
    return _encoder.encode(record)


def decode(line: bytes) -> AnyRecord:
    """Raises msgspec.ValidationError or msgspec.DecodeError; unknown fields are ignored."""
    return _decoder.decode(line)
