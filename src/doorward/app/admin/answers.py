"""What the gateway answers its admin process: the verbs of the channel, on what is in force.

They run in the event loop of calls, so each is a walk over a table in memory, bounded where the table is not.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, Protocol

import msgspec

from doorward.app.admin.channel import Verb
from doorward.app.world import World
from doorward.audit.recorder import Recorder
from doorward.config.policy import policy_spec
from doorward.identity.revocations import concerns
from doorward.model.grants import AgentRules
from doorward.model.reasons import Reason
from doorward.model.target import Kind
from doorward.pipeline.trail import Trail
from doorward.ports.live import CallRow, Selector, ServerRow, ToolRow

MOST: Final = 1001
"""Rows of one answer: a page, and the one that says whether there is another."""
REASON_TEXTS: Final = frozenset(reason.value for reason in Reason)
MOST_REFUSED: Final = 2000
"""Refusals of one message; a quarter of a second has no more."""
REST_AFTER: Final = 100
ADMIN: Final = "admin"
"""The transport of a refusal on the admin plane."""


class Running(Protocol):
    """A message that is being worked on."""

    @property
    def trail(self) -> Trail: ...
    def stop(self) -> None: ...


class Given(msgspec.Struct, frozen=True):
    """Whatever a verb may be given."""

    selector: Selector = Selector()
    server: str | None = None
    after: tuple[str, str] | None = None
    limit: int = MOST
    refusals: tuple[tuple[str, str, int], ...] = ()
    """Reason, peer, and how many."""


class Answers:
    """Over a process: each argument gives what is in force when it is asked."""

    def __init__(
        self,
        world: Callable[[], World],
        running: Callable[[], Iterable[Running]],
        recorder: Recorder,
        *,
        end: Callable[[Any], None] | None = None,
        state: Callable[[], dict[str, Any]],
        applied: Callable[[], Awaitable[None]],
    ) -> None:
        """`end`: how one of those that run is ended for an operator, if there is a way of its own."""
        self._world = world
        self._running = running
        self._recorder = recorder
        self._end = end or (lambda running: running.stop())
        self._state = state
        self._applied = applied
        self._rules: tuple[World | None, list[AgentRules]] = (None, [])

    def verbs(self) -> Mapping[str, Verb]:
        """By their names on the channel."""
        return {
            "apply": lambda _: self._applied(),
            "state": lambda _: self._state(),
            "servers": lambda _: self.servers(),
            "agents": lambda _: self.agents(),
            "tools": lambda raw: self.tools(_given(raw)),
            "calls": lambda raw: self.calls(_given(raw)),
            "cancel": lambda raw: self.cancel(_given(raw)),
            "refused": lambda raw: self.refused(_given(raw)),
        }

    def servers(self) -> list[ServerRow]:
        """In the order of the configuration."""
        world = self._world()
        return [_server(world, name) for name in world.servers]

    def agents(self) -> list[AgentRules]:
        """By name; made once for each world."""
        world = self._world()
        if self._rules[0] is not world:
            agents = policy_spec(world.loaded).agents
            self._rules = (world, [agents[name] for name in sorted(world.loaded.settings.agents)])
        return self._rules[1]

    def tools(self, given: Given) -> list[ToolRow]:
        """By server and name, behind `after`."""
        listings = self._world().listings
        names = [given.server] if given.server is not None else sorted(listings)
        first = "" if given.after is None else given.after[0]
        found: list[ToolRow] = []
        for name in names:
            listing = listings.get(name)
            if listing is None or name < first:
                continue
            rows = sorted(listing.definitions.get(Kind.TOOL, ()), key=lambda definition: definition.name)
            for row in rows:
                if given.after is None or (name, row.name) > given.after:
                    title = row.listed.get("title")
                    shown = title if isinstance(title, str) else None
                    found.append(ToolRow(name, row.name, row.op_class.value, row.digest, shown))
                    if len(found) >= min(given.limit, MOST):
                        return found
        return found

    def calls(self, given: Given) -> list[CallRow]:
        """Oldest first."""
        found = sorted(self._selected(given.selector), key=lambda running: running.trail.started)
        rows = (_row(running.trail) for running in found)
        return list(islice((row for row in rows if row is not None), min(given.limit, MOST)))

    def cancel(self, given: Given) -> list[CallRow]:
        """Those that were told to end, oldest first; no more than `MOST` of them are named."""
        found = sorted(self._selected(given.selector), key=lambda running: running.trail.started)
        rows = [row for running in found[:MOST] if (row := _row(running.trail)) is not None]
        for running in found:
            self._end(running)
        return rows

    async def refused(self, given: Given) -> None:
        """The records of refusals on the admin plane, limited like those on ours."""
        left = MOST_REFUSED
        for said, peer, count in given.refusals:
            reason = Reason(said) if said in REASON_TEXTS else Reason.CREDENTIAL_INVALID
            for _ in range(min(count, left)):
                await self._recorder.refused(reason, peer=peer[:64], transport=ADMIN, endpoint=None)
                left -= 1
                if not left % REST_AFTER:
                    await asyncio.sleep(0)

    def _selected(self, selector: Selector) -> list[Running]:
        return [running for running in self._running() if selects(selector, running.trail)]


def selects(selector: Selector, trail: Trail) -> bool:
    """Whether a message is one of those; what nobody has been found to be behind yet is none of them."""
    principal, target = trail.principal, trail.target
    if principal is None or trail.call is None:
        return False
    issuer = selector.issuer
    parties = (
        ("key", selector.key),
        ("agent", selector.agent),
        ("user", selector.user),
        ("client", selector.client),
        ("jti", selector.jti),
        ("sid", selector.sid),
    )
    return (
        selector.call in (None, trail.decision_id)
        and selector.server in (None, None if target is None else target.server)
        and all(said is None or concerns(kind, said, issuer, principal) for kind, said in parties)
    )


def _given(raw: msgspec.Raw) -> Given:
    return msgspec.json.decode(raw, type=Given)


def _server(world: World, name: str) -> ServerRow:
    state, settings, listing = world.servers[name].state, world.loaded.settings, world.listings[name]
    return ServerRow(
        name=name,
        state=state.level,
        mode=settings.mode_of(name).value,
        transport=state.transport,
        era=state.era,
        version=state.version,
        cause=state.cause,
        tools=len(listing.definitions.get(Kind.TOOL, ())) if listing.known else None,
        insecure=settings.servers[name].insecure,
    )


def _row(trail: Trail) -> CallRow | None:
    principal, call, target = trail.principal, trail.call, trail.target
    if principal is None or call is None:
        return None
    return CallRow(
        id=trail.decision_id,
        since=time.time() - (time.perf_counter() - trail.started),
        method=call.method,
        agent=principal.agent,
        subject=principal.subject,
        issuer=principal.issuer,
        key=principal.key_id,
        client=principal.client,
        server=target.server or None if target is not None else None,
        kind=target.kind.value if target is not None else None,
        name=target.name if target is not None else None,
        sent=trail.sent,
    )
