"""What lives as long as the process, and the world that is in force."""

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from doorward.app import announce
from doorward.app.admin.answers import Answers
from doorward.app.admin.beside import Administration
from doorward.app.changes import Told, actor_of, changes
from doorward.app.endings import Endings
from doorward.app.garbage import Settling
from doorward.app.http_face import http_limits, plane_settings, prefaced, serving
from doorward.app.log import OpenLog, gateway_name, open_log
from doorward.app.log_care import LogCare
from doorward.app.readiness import issuers_state, readiness, traffic
from doorward.app.standing import Standing
from doorward.app.state import open_ring, paths
from doorward.app.wishes import Wishes
from doorward.app.world import Lasting, World
from doorward.audit.large import LargeRecords
from doorward.audit.recorder import Recorder
from doorward.backends.files.lock import Holder, StateLock
from doorward.backends.files.ring import FileRing
from doorward.backends.memory.sessions import MemorySessions
from doorward.backends.sql.sqlite import open_sqlite
from doorward.backends.sql.store import SqlStore
from doorward.catalog.definitions import CHANGED
from doorward.catalog.snapshot import Listing
from doorward.config.errors import Problem
from doorward.config.load import Loaded
from doorward.config.settings import Settings
from doorward.config.tls import GatewayTls
from doorward.config.values import Listen
from doorward.control.ring import ensure
from doorward.control.watch import StoreWatch
from doorward.edge.plane import DataPlane
from doorward.edge.replay import Replays
from doorward.edge.secure import TlsFace
from doorward.edge.streams import SessionStreams
from doorward.model.call import Session
from doorward.model.errors import GatewayError
from doorward.model.principal import Principal
from doorward.model.target import Kind
from doorward.pipeline.asking import COMPLETE, ROOTS_CHANGED, Asking
from doorward.pipeline.door import Door
from doorward.pipeline.fanout import Fanout
from doorward.pipeline.inflight import InFlight
from doorward.pipeline.listens import Listens
from doorward.pipeline.notices import Notices
from doorward.pipeline.shares import Shares
from doorward.pipeline.views import View
from doorward.policy.engine import Engine
from doorward.ports.store import StoreFacts
from doorward.upstream.warden import Warden

if TYPE_CHECKING:
    from doorward.app.identity import Issuers
    from doorward.app.listener import SecureListener
    from doorward.identity.proven import Tokens

Say = Callable[[str], None]
Secure = Callable[[GatewayTls, Say], "SecureListener"]
MakeIssuers = Callable[[Callable[[], None]], "Issuers"]
ROLL_UP_S = 10.0
CAME_UP_S = 0.5


class Process:
    """Open with `open`, stop with `drain` and `close`."""

    def __init__(
        self,
        loaded: Loaded,
        lock: StateLock,
        store: SqlStore,
        ring: FileRing,
        log: OpenLog,
        *,
        make_issuers: MakeIssuers | None = None,
    ) -> None:
        self._lock = lock
        self._store = store
        self.log, self.sealer = log
        self._care = LogCare(log, paths(loaded.settings), lambda: self.world)
        self.wanted = asyncio.Event()
        """Set when somebody asks for a reload."""
        self.sessions = MemorySessions(closed=self._session_closed)
        self._bound_sessions(loaded.settings)
        self.replays = Replays()
        self.streams = SessionStreams(self.replays)
        self.calls = InFlight()
        name, large = gateway_name(), LargeRecords(Shares())
        self.recorder = Recorder(self.log, ring, gateway=name, revision=loaded.digest, modes={}, large=large)
        self.wishes = Wishes(lambda: self.world.servers, self._heard)
        self.listens = Listens(lambda: self.world, self.wishes, self.wishes.listeners_changed)
        self.streams.changed = self.wishes.listeners_changed
        self.notices = Notices(self.streams, self.listens, lambda: self.world.policy)
        self._fanout = Fanout(self.notices.resource_updated, self._spawn)
        self.asking = self._questions()
        self.calls.others = self.asking.note
        self.unadopted: str | None = None
        """Why the configuration file, as it is now, is not in force. Holds nothing of the file."""
        self.remarked: tuple[Problem, ...] = ()
        """Warnings about the configuration in force that have been said."""
        self.settling = Settling()
        self._warden = Warden()
        self._make_issuers = make_issuers
        self._issuers: Issuers | None = None
        """Once a configuration has any."""
        self._lasting = self._shared(ring)
        self.world = World(loaded, self._lasting, self._listing_changed, None)
        self.door = Door(self.world.gateway, self.sessions)
        settings = plane_settings(loaded.settings)
        self.plane = DataPlane(
            self.door, self.streams, settings, self.readiness, lock.holder.operator, replays=self.replays
        )
        self._limits = http_limits(loaded.settings)
        self.http = serving(self.plane, self._limits, loaded.settings)
        self.tls: SecureListener | None = None
        """Once it listens, when it does so with TLS."""
        self.admin = Administration(store, ring, self._warden, self._answers)
        self.standing = Standing(store, ring, lambda: self.world, self.door.swap, self._endings(), self._shut)
        """Of the callers: whose keys count, who is blocked."""
        self._watch = StoreWatch(store, self.log, apply=self._apply, confirm=self.standing.confirm)
        self._background: set[asyncio.Task[None]] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        """Worlds that a reload has replaced, on their way out: cut, their processes would outlive us."""

    def _questions(self) -> Asking:
        return Asking(
            self.sessions.find,
            self.calls.trail,
            self.streams,
            recorder=lambda: self.world.recorder,
            roots_changed=self._roots_changed,
            reaches=self._reaches,
        )

    def _shared(self, ring: FileRing) -> Lasting:
        return Lasting(
            self.sessions,
            self.calls,
            self.recorder,
            ring,
            self._on_notification,
            self.listens,
            self._warden,
            self.asking,
            None if self._make_issuers is None else self._tokens_of,
        )

    def _endings(self) -> Endings:
        return Endings(
            self.streams,
            self.listens,
            self.sessions,
            lambda: list(self.world.servers.values()),
            self._session_over,
        )

    @classmethod
    async def open(cls, loaded: Loaded, make_issuers: MakeIssuers | None = None) -> "Process":
        """Takes the lock, recovers the log, reads the keys, starts the servers. `make_issuers`: given, not
        imported, as what verifies tokens takes a quarter of a second to load.

        Raises GatewayError for a state directory that is in use or cannot be used, OSError for TLS files,
        ValueError for a server that cannot be built.
        """
        where = paths(loaded.settings)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        holder = Holder(
            os.getpid(),
            "serve",
            now,
            operator=secrets.token_urlsafe(32),
            preface=prefaced(loaded.settings),
        )
        lock = StateLock(where.lock, holder)
        try:
            store = open_sqlite(where.database)
            ring = open_ring(where, store)
            ensure(ring, time.time())
            log = open_log(where, ring, loaded.settings.audit.anchor)
            process = cls(loaded, lock, store, ring, log, make_issuers=make_issuers)
            await process._start()
        except BaseException:
            lock.release()
            raise
        return process

    async def _start(self) -> None:
        if self.log.recovered is not None:
            await self.recorder.lifecycle("log_recovered", detail=str(self.log.recovered))
        await self._watch.look()
        await self._care.look()
        await self._care.admit(self.world.loaded)
        await self.world.recorder.lifecycle("started", config=self.world.loaded.digest)
        self._keep_issuers()
        await self.world.start()  # after everything that can fail: nobody would end what it starts
        self._spawn(self._watch.run())
        self._spawn(self._keep_house())
        self._spawn(self._ask_who_came_up())
        self._spawn(self.standing.run())
        self._spawn(self.standing.watch())
        for caring in self._care.tasks():
            self._spawn(caring)
        # A client that kept its tools from before calls at once. The wait is bounded, whatever a server does.
        await asyncio.gather(*(self.world.refresh_server(server) for server in self.world.servers))

    async def listen(self, say: Say, secure: Secure | None = None) -> list[str]:
        """The URLs (or sockets) that agents use, in the order of the configuration.

        `say` takes lines for the operator; `secure` makes the TLS of `gateway.tls`: given, not imported,
        because its parser of certificates takes 80 ms to load.

        Raises OSError for an address or TLS files that cannot be used, ValueError for TLS files.
        """
        gateway = self.world.loaded.settings.gateway
        face = None
        if gateway.tls is not None:
            if secure is None:
                raise ValueError(
                    "gateway.tls is configured, and this process was given nothing to do TLS with"
                )
            self.tls = secure(gateway.tls, say)
            face = self.tls.face(self.http)
        bound = [await self._bind(listen, face) for listen in gateway.listen]
        operators = self.admin.open(self.world.loaded.settings, say)
        self._lock.announce(tuple(bound), "" if self.tls is None else self.tls.presents, operators)
        scheme = "http" if face is None else "https"
        return [each if each.startswith("unix:") else f"{scheme}://{each}/mcp" for each in bound]

    def _answers(self) -> Answers:
        return Answers(
            lambda: self.world,
            lambda: self.door.running,
            self.recorder,
            end=self.door.end,
            state=partial(self.readiness, operator=True),
            applied=self._watch.applied,
        )

    async def _bind(self, listen: Listen, face: TlsFace | None) -> str:
        """`unix:path` or `host:port`, as bound. Raises OSError."""
        if listen.path is not None:
            await self.http.listen_unix(str(listen.path))
            return f"unix:{listen.path}"
        host, port = await self.http.listen_tcp(listen.host or "127.0.0.1", listen.port or 0, face)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def follow_tls(self) -> None:
        """Put changed TLS files in force."""
        if self.tls is not None:
            self.tls.look()
            self._announce_certificate(self.tls)

    def _announce_certificate(self, tls: "SecureListener") -> None:
        """Commands on this machine talk to nobody who presents another one."""
        holder = self._lock.holder
        if holder.certificate != tls.presents:
            with suppress(OSError):  # a full disk: those commands wait for the next look, calls do not
                self._lock.announce(holder.listen, tls.presents)

    async def adopt(self, loaded: Loaded, told: Told = "file") -> None:
        """Build the new world, record what it changes, swap it in, let the old one go.

        Raises OSError for TLS files or a full disk, ValueError for a server or rule that cannot be built,
        DoorwardError for rules, an unreadable store or an unwritable log; then nothing has changed.
        """
        old = self.world
        wanted = loaded.settings.gateway.tls
        listener, tls = self.tls, None
        if listener is not None and wanted is not None and wanted != listener.settings:
            tls = listener.prepare(wanted)
        if loaded.settings.issuers and self._issuers is None and self._make_issuers is not None:
            # In a thread, because what it imports would hold all calls for a quarter of a second.
            self._issuers = await asyncio.to_thread(self._make_issuers, self._distrust_tokens)
        new = World(loaded, self._lasting, self._listing_changed, old)
        try:
            await new.start()
            if self._watch.failure is not None:
                raise self._watch.failure  # these keys may be out of date, and adopting them would hide it
            await self._care.admit(loaded)
            await new.recorder.changed(actor_of(told, loaded.path), changes(old.loaded, loaded))
            await new.recorder.lifecycle("reloaded", config=loaded.digest, before=old.loaded.digest)
        except BaseException:
            await new.retire(old, 0.0)
            raise
        # Nothing is awaited from here to the swap, so that no revocation falls between the two worlds.
        self.standing.pass_on(old, new)
        self.world = new
        self.door.swap(new.gateway)
        self.standing.taken_over(old, new)
        self.plane.settings = plane_settings(loaded.settings)
        self.http.trust(self.plane.settings.proxies.trusted)
        self._bound_sessions(loaded.settings)
        if listener is not None and tls is not None:
            listener.adopt(tls)
            self._announce_certificate(listener)
        if loaded.settings.audit.anchor != old.loaded.settings.audit.anchor:
            self.sealer.place_anchor(loaded.settings.audit.anchor)
        self._keep_issuers()
        self.wishes.pass_on(old.servers, new.servers)
        self._spawn(announce.reloaded(self.notices, old, new))
        for server in new.servers:
            self._spawn(new.refresh_server(server))
        self._spawn(old.retire(new, loaded.settings.gateway.drain), self._retiring)

    @property
    def quiet(self) -> bool:
        """Nobody waits for an answer, and nothing that a reload replaced is on its way out."""
        streams = len(self.streams.sessions) + len(self.listens)
        return not self._retiring and not len(self.calls) and self.http.running <= streams

    async def drain(self, grace: float) -> int:
        """Stop listening, give calls `grace` seconds to end, cut what is left. Returns how many were cut."""
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        unattended = loop.create_task(self.admin.close())
        self.streams.close_all()
        self.listens.close_all()
        ending = loop.create_task(self.http.drain(grace + 1.0))
        # While a connection is open a call may still come in on it, so the calls are looked at after that.
        await asyncio.wait([ending], timeout=grace)
        cut = await self.plane.drain(max(0.0, until - loop.time()))
        await ending
        await unattended
        return cut

    async def close(self) -> None:
        """Everything that `open` took, in reverse."""
        await self.admin.close()
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background)
        await self.world.retire(None, self.world.loaded.settings.gateway.drain)
        if self._retiring:
            await asyncio.wait(self._retiring)
        await self._warden.close()
        if self._issuers is not None:
            await self._issuers.close()
        await self.standing.tell()
        try:
            await self.recorder.roll_up()
            await self.world.recorder.lifecycle("stopped")
            await self.log.close()
        finally:
            self._store.close()
            self._lock.release()

    def _apply(self, facts: StoreFacts) -> None:
        """What the store holds now. Rotations of our own keys are on record there, too."""
        self.standing.apply(facts)
        for recorder in (self.recorder, self.world.recorder):
            recorder.renew_keys()

    def readiness(self, operator: bool = False) -> dict[str, Any]:
        """What /readyz says, and more of it to an operator. See `readiness.readiness`."""
        tls = None if self.tls is None else self.tls.state()
        said = readiness(self.world, self._care.blocked, self._care.trouble, tls, operator=operator)
        said["config"] = self.unadopted
        if self._issuers is not None:
            said |= issuers_state(said["status"], self._issuers.troubles(), operator=operator)
        if operator:
            said |= {"http": traffic(self.http, self._limits), "log": self.sealer.figures()}
        return said

    def _listing_changed(self, world: World, listing: Listing, kind: Kind, before: View) -> None:
        """A world that a reload has replaced, or not yet put in force, has nothing to say."""
        if world is self.world:
            self.door.swap(world.gateway)
            after = world.view(listing.server, kind)
            self._spawn(self.notices.list_changed(listing.server, kind, before, after))

    def _on_notification(self, server: str, key: str | None, method: str, params: dict[str, Any]) -> None:
        serving = self.world.servers.get(server)
        if serving is None:
            return  # the last words of one that a reload has taken out
        if method in CHANGED:
            self._spawn(self.world.refresh_server(server, CHANGED[method]))
        elif method == "notifications/resources/updated":
            uri = params.get("uri")
            if isinstance(uri, str) and serving.holders(key, uri):
                self._fanout.updated(server, key, uri, partial(serving.holders, key, uri))
        elif method == COMPLETE:
            self.asking.completed(server, key, params)
        elif method == "notifications/message":
            self.notices.logged(server, key, params)

    def _reaches(self, principal: Principal, server: str) -> bool:
        return self.world.policy.reaches(principal, server)

    def _roots_changed(self, session: Session) -> None:
        for name, server in self.world.servers.items():
            if session.endpoint in (None, name):
                server.tell(session.id, "roots", ROOTS_CHANGED)

    def _heard(self) -> frozenset[str | None]:
        """Endpoints at which somebody listens to changes of lists."""
        return self.streams.endpoints | {one.endpoint for one in self.listens.listening() if one.kinds}

    def _bound_sessions(self, settings: Settings) -> None:
        wanted = settings.gateway.sessions
        self.sessions.bound(idle_s=wanted.idle, per_owner=wanted.per_principal, in_total=wanted.total)

    def _session_closed(self, session: Session) -> None:
        """Its stream, its calls and what it had at the servers end with it."""
        self.calls.end(session.id)
        self._end_session(session)

    def _session_over(self, session: Session) -> None:
        """It is over with its holder: the same, but that its calls go on, unless an operator ends them."""
        self._end_session(session, gently=True)

    def _end_session(self, session: Session, *, gently: bool = False) -> None:
        self.streams.close(session.id)
        self.replays.forget(session.id)
        self.asking.end(session.id)
        for server in self.world.servers.values():
            server.want(session.id, None)
            server.close_conversation(session.id, gently=gently)

    def _shut(self, before: Engine, servers: Collection[str]) -> None:
        self._spawn(announce.shut(self.notices, self.world, before, servers))

    def _tokens_of(self, loaded: Loaded) -> "Tokens":
        if self._issuers is None:
            assert self._make_issuers is not None  # or nobody was told to ask here
            self._issuers = self._make_issuers(self._distrust_tokens)
        return self._issuers.tokens(loaded)

    def _distrust_tokens(self) -> None:
        self.standing.distrust_tokens()

    def _keep_issuers(self) -> None:
        if self._issuers is not None:
            self._issuers.keep(self.world.loaded)

    async def _ask_who_came_up(self) -> None:
        """What a server offers, as soon as it is up: a client that kept its tools calls without a list."""
        asked: set[str] = set()
        while True:
            await asyncio.sleep(CAME_UP_S)
            unlisted = set(self.world.unlisted())
            for name in unlisted - asked:  # who answers in vain is asked again by `_keep_house`
                self._spawn(self.world.refresh_server(name))
            asked = unlisted

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(ROLL_UP_S)
            self.sessions.sweep(self.streams.sessions | self.calls.scopes)
            self.streams.sweep()
            self.replays.sweep()
            for name in self.world.unlisted():
                self._spawn(self.world.refresh_server(name))
            try:
                await self.recorder.roll_up()
            except GatewayError:
                continue  # /readyz says so, and what could not be written is counted again

    def _spawn(self, doing: Coroutine[Any, Any, None], among: set[asyncio.Task[None]] | None = None) -> None:
        tasks = self._background if among is None else among
        task = asyncio.get_running_loop().create_task(doing)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
