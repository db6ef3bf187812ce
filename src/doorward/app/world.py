"""One configuration, running: everything that a reload replaces, built whole before it is swapped in.

What survives a reload lives in `Process`: the log, the store, the keys, sessions, streams and the listener.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from doorward import __version__
from doorward.app.callers import TokensOf, directory
from doorward.app.recognised import recognised
from doorward.app.resource import challenges
from doorward.app.servers import server_settings, tool_rules, way_of
from doorward.audit.recorder import Recorder
from doorward.audit.strictness import Strictness
from doorward.backends.memory.rates import MemoryRates
from doorward.catalog.indexes import pair_steps
from doorward.catalog.keeper import Keeper
from doorward.catalog.route import SnapshotRouter
from doorward.catalog.snapshot import Listing, Snapshot, describe, unknown
from doorward.config.load import Loaded
from doorward.config.policy import policy_spec
from doorward.config.settings import Settings
from doorward.model.principal import Principal
from doorward.model.target import Kind
from doorward.pipeline.dispatch import Dispatch
from doorward.pipeline.evidence import Evidence
from doorward.pipeline.gateway import Gateway
from doorward.pipeline.inflight import InFlight
from doorward.pipeline.listens import Listens
from doorward.pipeline.local import Local
from doorward.pipeline.order import AFTER, before
from doorward.pipeline.read import Reader
from doorward.pipeline.run import AfterPhase, BeforePhase
from doorward.pipeline.shares import Shares
from doorward.pipeline.views import View
from doorward.policy.engine import Engine
from doorward.ports.asks import Asks
from doorward.ports.catalog import Description, Entry
from doorward.ports.rates import Rates
from doorward.ports.router import Router
from doorward.ports.secrets import SecretRing
from doorward.ports.sessions import Sessions
from doorward.stages.rate import RateStage
from doorward.upstream.server import Server
from doorward.upstream.settings import ServerSettings
from doorward.upstream.warden import Warden

KINDS = (Kind.TOOL, Kind.PROMPT, Kind.RESOURCE, Kind.TEMPLATE)
SETTLE_S = 0.1
"""A call that was decided here when the next world came still has to reach its server."""
IDENTITY = {"name": "doorward", "title": "Doorward", "version": __version__}


@dataclass(frozen=True, slots=True)
class Lasting:
    """The parts of a process that every world uses."""

    sessions: Sessions
    calls: InFlight
    recorder: Recorder
    ring: SecretRing
    on_notification: Callable[[str, str | None, str, dict[str, Any]], None]
    """Server name, conversation key, method, params."""
    listens: Listens
    warden: Warden | None = None
    """Ends child processes that we cannot end any more."""
    asks: Asks | None = None
    """Carries what servers ask of their clients."""
    tokens_of: TokensOf | None = None
    """Knows the tokens of issuers, where there are any."""
    rates: Rates = field(default_factory=MemoryRates)
    """What keys and agents have used up of their rates."""


class World:
    """Implements `pipeline.local.Offer` and ports.Catalog for its own listings."""

    def __init__(
        self,
        loaded: Loaded,
        lasting: Lasting,
        changed: Callable[["World", Listing, Kind, View], None],
        previous: "World | None",
    ) -> None:
        self.loaded = loaded
        self._lasting = lasting
        self._changed = changed
        self.servers = _servers(loaded, previous, lasting)
        kept = _kept_listings(self.servers, previous)
        listings = {name: kept.get(name, unknown(name)) for name in self.servers}
        built = previous._snapshot.built if previous is not None else {}  # noqa: SLF001 - its own kind
        self._snapshot: Snapshot = Snapshot(listings, {name: built[name] for name in kept})
        self.policy = Engine.build(
            policy_spec(loaded), {name: listing.all() for name, listing in self._snapshot.listings.items()}
        )
        rules = {name: tool_rules(server) for name, server in loaded.settings.servers.items()}
        self._shares = Shares()
        self._keeper = Keeper(self.servers, rules, self._listing_changed, kept, self._shares)
        self.directory = directory(loaded, lasting.ring, lasting.tokens_of)
        self.recognised = recognised(loaded.settings)
        modes = {name: loaded.settings.mode_of(name) for name in loaded.settings.servers}
        rates = {name: agent.rate for name, agent in loaded.settings.agents.items() if agent.rate is not None}
        self._limits, self._agents_limited = RateStage(lasting.rates, rates), bool(rates)
        self._before, self._after = self._limited(by_keys=False), AfterPhase(AFTER)
        self.recorder = lasting.recorder.under(
            loaded.digest,
            modes,
            _strictness(loaded.settings),
            {name: way_of(server) for name, server in loaded.settings.servers.items()},
            (*self._before.off, *self._after.off),
        )
        self._challenges = challenges(loaded.settings)
        self._local = Local(
            self, lasting.sessions, IDENTITY, lasting.listens, loaded.settings.gateway.list_page
        )
        self.gateway = self._gateway()

    def block(self, servers: frozenset[str]) -> None:
        """Nobody gets through to these, and to no others but these."""
        policy = self.policy.with_blocked(servers)
        if policy is not self.policy:
            self.policy = policy
            self.gateway = self._gateway()

    def limit_keys(self, limited: bool) -> None:
        """Whether any key has a rate. Where nobody has one, calls do not even pass a stage for it."""
        wanted = self._limited(by_keys=limited)
        if len(wanted.slots) != len(self._before.slots):
            self._before = wanted
            self.gateway = self._gateway()

    def _limited(self, *, by_keys: bool) -> BeforePhase:
        return BeforePhase(before(self._limits if by_keys or self._agents_limited else None))

    @property
    def listings(self) -> Mapping[str, Listing]:
        """What each server offers, as last heard."""
        return self._snapshot.listings

    @property
    def router(self) -> Router:
        """The names that belong to `policy`."""
        return self.gateway.router

    @property
    def catalog(self) -> "World":
        """The catalogue that belongs to `policy`."""
        return self

    def entries(self, endpoint: str | None, kind: Kind) -> Sequence[Entry]:
        return self._snapshot.index(endpoint).of(kind).entries

    def describe(self, endpoint: str | None, principal: Principal, kind: Kind | None = None) -> Description:
        names = [name for name in self._snapshot.servers(endpoint) if self.policy.reaches(principal, name)]
        listings = [self._snapshot.listings[name] for name in names]
        return describe(listings, self._keeper.failing(names, kind), endpoint)

    async def refresh(self, endpoint: str | None, kind: Kind) -> None:
        await self._keeper.recent(self._snapshot.servers(endpoint), (kind,))

    async def refresh_server(self, server: str, kinds: Sequence[Kind] = KINDS) -> None:
        """Ask again now: the server said that a list changed, or has just come up."""
        await self._keeper.renew(server, kinds)

    def unsaid(self, server: str) -> tuple[str, ...]:
        """The lists that it did not say when it was last asked; `/mcp` shows what it said before."""
        return self._keeper.unlisted(server)

    def unlisted(self) -> list[str]:
        """Servers that have come up since they were asked in vain what they offer."""
        return [name for name, server in self.servers.items() if server.up and not self.listings[name].known]

    async def start(self) -> None:
        """Start the servers that this world does not share with the one before it, and begin asking them."""
        for server in self.servers.values():
            await server.start()

    async def retire(self, successor: "World | None", grace: float) -> None:
        """Stop asking; close the servers that the successor does not use, within about `grace` seconds."""
        await self._keeper.close()
        kept = set(map(id, successor.servers.values())) if successor else set()
        if successor is not None:
            await asyncio.sleep(SETTLE_S)
        leaving = [server for server in self.servers.values() if id(server) not in kept]
        await asyncio.gather(*(server.close(grace) for server in leaving))

    def view(self, server: str, kind: Kind) -> View:
        """What there is of one kind at one server now; nothing at a server that is not configured."""
        listing = self.listings.get(server)
        return View(self.policy, () if listing is None else listing.definitions.get(kind, ()))

    async def _listing_changed(self, listing: Listing, kind: Kind) -> None:
        made = await self._shares.run(pair_steps(listing.definitions[kind]))
        # Nothing is awaited from here on: other servers' listings change meanwhile.
        before = self.view(listing.server, kind)
        snapshot = self._snapshot.with_listing(listing, {kind: made})
        policy = self.policy.with_definitions(listing.server, listing.all())
        self._snapshot, self.policy = snapshot, policy  # both or neither
        self.gateway = self._gateway()
        self._changed(self, listing, kind, before)

    def _gateway(self) -> Gateway:
        return Gateway(
            identity=self.directory,
            reader=Reader(self._lasting.sessions),
            calls=self._lasting.calls,
            router=SnapshotRouter(self._snapshot, self.policy.reaches, self.policy.weigh),
            policy=self.policy,
            before=self._before,
            recorder=Evidence(self.recorder, self._before.concerning),
            upstream=Dispatch(self._local, self.servers),
            after=self._after,
            challenges=self._challenges,
        )


def _strictness(settings: Settings) -> Strictness:
    servers = {
        name: server.audit.strict
        for name, server in settings.servers.items()
        if server.audit is not None and server.audit.strict is not None
    }
    return Strictness(settings.audit.strict, servers)


def _servers(loaded: Loaded, previous: World | None, lasting: Lasting) -> dict[str, Server]:
    """A server whose settings did not change keeps its connections, processes and sessions."""
    found: dict[str, Server] = {}
    for name, config in loaded.settings.servers.items():
        settings: ServerSettings = server_settings(name, config, loaded.base)
        old = previous.servers.get(name) if previous else None
        found[name] = old if old is not None and old.settings == settings else _new(settings, lasting)
    return found


def _new(settings: ServerSettings, lasting: Lasting) -> Server:
    server = Server(settings, lasting.warden, lasting.ring, lasting.asks)
    server.on_notification = lambda key, method, params: lasting.on_notification(
        settings.name, key, method, params
    )
    return server


def _kept_listings(servers: Mapping[str, Server], previous: World | None) -> dict[str, Listing]:
    if previous is None:
        return {}
    return {
        name: previous.listings[name]
        for name, server in servers.items()
        if previous.servers.get(name) is server
    }
