"""A record as those see it who look for it: what it has in common with many, and what is its own.

A call is one entry of two records, its decision and its outcome. Every other record is an entry by itself. A
log of millions has some hundreds of each of `Who`, `What` and `How`.
"""

from typing import Annotated, Final

import msgspec

NONE: Final = "none"
"""The outcome of a permitted call that has none in the log: on its way, or cut off by a crash."""
_Exact = Annotated[int, msgspec.Meta(ge=-(1 << 53), le=1 << 53)]
"""What JSON can carry from program to program (RFC 8259 section 6)."""
_STATUS: Final = {"deny": "denied", "hold": "held", "refuse": "refused"}


class Who(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Who asked, at which gateway."""

    tenant: str = ""
    gateway: str = ""
    subject: str | None = None
    actors: tuple[str, ...] = ()
    authentication: str | None = None
    agent: str | None = None
    key: str | None = None
    client: str | None = None


class What(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was asked for, and the way in."""

    transport: str | None = None
    method: str | None = None
    endpoint: str | None = None
    server: str | None = None
    name: str | None = None
    kind: str | None = None
    """"tool", "prompt" or "resource"."""
    asked: str | None = None
    definition: str | None = None
    op_class: str | None = None

    @property
    def tool(self) -> str | None:
        """`server.name`; the name alone of what was never found."""
        return f"{self.server}.{self.name}" if self.server and self.name else self.name


class How(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How it was decided, and how it ended."""

    kind: str
    decision: str | None = None
    mode: str | None = None
    reason: str | None = None
    rules: tuple[str, ...] = ()
    """Of each its id, then its place."""
    softened: str | None = None
    policy: str | None = None
    action: str | None = None
    """Of a change what was done, of a lifecycle record what happened."""
    outcome: str | None = None
    error_code: int | None = None
    failure: str | None = None
    """The reason that the outcome gives."""

    @property
    def result(self) -> str | None:
        """The outcome, also of a permitted call that has none yet."""
        return NONE if self.outcome is None and self.decision == "permit" else self.outcome

    @property
    def status(self) -> str | None:
        """One word for how a call ended."""
        return _STATUS.get(self.decision or "") or self.result

    @property
    def why(self) -> str | None:
        """The reason that matters most."""
        return self.reason or self.failure or self.softened


class Entry(msgspec.Struct, gc=False, omit_defaults=True):
    """One call, or one record that is none."""

    number: int
    """Of the record in the log; of a call the decision's."""
    ts: int
    """Milliseconds since 1970."""
    id: str
    who: Who
    what: What
    how: How
    done: int | None = None
    """Number of the outcome's record, where that is another one."""
    latency: float | None = None
    """Milliseconds in all."""
    bytes: int | None = None
    """Of the result."""
    peer: str | None = None
    object: str | None = None
    """Of a change what was changed; of a roll-up of denials the id of the last of them."""
    during: str | None = None
    trace: str | None = None
    session: str | None = None
    args: str | None = None
    """HMAC of the arguments as received."""
    sent: str | None = None
    """As sent, where a control changed them."""
    result: str | None = None
    """HMAC of the result."""
    times: int = 1
    """How many requests it stands for: more than one in a roll-up."""

    def join(self, outcome: "Entry") -> None:
        """Becomes the entry of a call whose outcome this is."""
        ended = outcome.how
        self.how = msgspec.structs.replace(
            self.how, outcome=ended.outcome, error_code=ended.error_code, failure=ended.failure
        )
        self.done, self.latency, self.bytes = outcome.number, outcome.latency, outcome.bytes
        self.result = outcome.result

    def part(self) -> None:
        """The opposite of `join`: its outcome is gone."""
        self.how = msgspec.structs.replace(self.how, outcome=None, error_code=None, failure=None)
        self.done = self.latency = self.bytes = self.result = None


class _Actor(msgspec.Struct, frozen=True, gc=False):
    subject: str | None = None
    method: str | None = None
    agent: str | None = None
    key_id: str | None = None
    client: str | None = None
    actors: tuple[str, ...] = ()


class _Rule(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    file: str = ""
    line: _Exact = 0


class _Reason(msgspec.Struct, frozen=True, gc=False):
    reason: str | None = None


class _Ruling(msgspec.Struct, frozen=True, gc=False):
    effect: str | None = None
    policy_revision: str | None = None
    mode: str | None = None
    reason: str | None = None
    rules: tuple[_Rule, ...] = ()
    softened: _Reason = _Reason()


class _Mcp(msgspec.Struct, frozen=True, gc=False):
    transport: str | None = None
    method: str | None = None
    endpoint: str | None = None
    server: str | None = None
    kind: str | None = None
    name: str | None = None
    definition: str | None = None
    asked: str | None = None
    session: str | None = None


class _Args(msgspec.Struct, frozen=True, gc=False):
    received_hmac: str | None = None
    sent_hmac: str | None = None


class _Trace(msgspec.Struct, frozen=True, gc=False):
    id: str | None = None


class _Result(msgspec.Struct, frozen=True, gc=False):
    outcome: str | None = None
    bytes: _Exact | None = None
    hmac: str | None = None
    error_code: _Exact | None = None
    reason: str | None = None


class _Latency(msgspec.Struct, frozen=True, gc=False):
    total: float | None = None


class _Line(msgspec.Struct, frozen=True, gc=False):
    """Of every kind of record what is looked for; the rest is skipped."""

    kind: str
    id: str
    ts: _Exact
    tenant: str = ""
    gateway: str = ""
    call_id: str | None = None
    actor: _Actor = _Actor()
    peer: str | None = None
    decision: _Ruling = _Ruling()
    mcp: _Mcp = _Mcp()
    op_class: str | None = None
    args: _Args = _Args()
    during: str | None = None
    trace: _Trace = _Trace()
    result: _Result = _Result()
    latency_ms: _Latency = _Latency()
    effect: str | None = None
    reason: str | None = None
    count: _Exact = 1
    transport: str | None = None
    endpoint: str | None = None
    method: str | None = None
    server: str | None = None
    name: str | None = None
    action: str | None = None
    event: str | None = None
    object: str | None = None
    last: str | None = None


_decode: Final = msgspec.json.Decoder(_Line).decode


def entry_of(number: int, line: bytes) -> Entry:
    """Of one record. Raises ValueError for what is none."""
    try:
        record = _decode(line)
    except RecursionError as error:
        raise ValueError(f"no record is as deep as that: {error}") from None
    if record.kind == "outcome":
        return _outcome(number, record)
    actor, mcp, ruling = record.actor, record.mcp, record.decision
    who = Who(
        record.tenant,
        record.gateway,
        actor.subject,
        actor.actors,
        actor.method,
        actor.agent,
        actor.key_id,
        actor.client,
    )
    what = What(
        mcp.transport or record.transport,
        mcp.method or record.method,
        mcp.endpoint or record.endpoint,
        mcp.server or record.server,
        mcp.name or record.name,
        mcp.kind,
        mcp.asked,
        mcp.definition,
        record.op_class,
    )
    how = How(
        record.kind,
        # What ended before its caller was known has no decision of a policy, and was refused all the same.
        "refuse" if record.kind == "refusal" else ruling.effect or record.effect,
        ruling.mode,
        ruling.reason or record.reason,
        tuple(text for rule in ruling.rules for text in (rule.id, f"{rule.file}:{rule.line}")),
        ruling.softened.reason,
        ruling.policy_revision,
        record.action or record.event,
    )
    entry = Entry(number, record.ts, record.call_id or record.id, who, what, how, times=record.count)
    entry.peer, entry.object, entry.during = record.peer, record.object or record.last, record.during
    entry.trace, entry.session = record.trace.id, mcp.session
    entry.args, entry.sent = record.args.received_hmac, record.args.sent_hmac
    return entry


def _outcome(number: int, record: _Line) -> Entry:
    result = record.result
    how = How(record.kind, outcome=result.outcome, error_code=result.error_code, failure=result.reason)
    who = Who(record.tenant, record.gateway)
    entry = Entry(number, record.ts, record.call_id or record.id, who, What(), how)
    entry.latency, entry.bytes, entry.result = record.latency_ms.total, result.bytes, result.hmac
    return entry
