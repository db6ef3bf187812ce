"""The ports and pure parts that the spine walks through. One frozen value per configuration and catalogue
state.

A reload or a changed tool list builds a new Gateway and swaps one reference; a call in flight keeps its own.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

from doorward.model.call import Call, Inbound, Note, Reply
from doorward.model.errors import DoorwardError
from doorward.model.principal import Principal
from doorward.model.target import Target
from doorward.pipeline.aggregate import Aggregate
from doorward.pipeline.challenges import KEYS_ONLY, Challenges
from doorward.pipeline.run import AfterPhase, BeforePhase
from doorward.pipeline.trail import Trail
from doorward.policy.engine import Engine
from doorward.ports.identity import Identity
from doorward.ports.router import Router
from doorward.ports.upstream import Upstream


class Reader(Protocol):
    """Bytes to meaning; see `pipeline/read.py`."""

    def read(self, inbound: Inbound, principal: Principal, trail: Trail) -> Call | Note: ...
    async def read_large(self, inbound: Inbound, principal: Principal, trail: Trail) -> Call | Note: ...
    def confirm(self, inbound: Inbound, call: Call, target: Target) -> None: ...


class Calls(Protocol):
    """The calls in flight; see `pipeline/inflight.py`."""

    def enter(self, call: Call, trail: Trail) -> None: ...
    def leave(self, trail: Trail) -> None: ...
    def note(self, note: Note) -> None: ...


class Recording(Protocol):
    """Evidence; see `pipeline/evidence.py`."""

    def decision(self, trail: Trail) -> Awaitable[None]: ...
    def outcome(self, trail: Trail, reply: Reply) -> Awaitable[None]: ...
    def blame(self, trail: Trail, error: DoorwardError) -> DoorwardError: ...
    async def ended(self, trail: Trail, error: DoorwardError) -> None: ...


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything one call needs on its way."""

    identity: Identity
    reader: Reader
    calls: Calls
    router: Router
    policy: Engine
    before: BeforePhase
    recorder: Recording
    upstream: Upstream
    after: AfterPhase
    challenges: Challenges = KEYS_ONLY
    aggregate: Aggregate = field(default_factory=Aggregate)
