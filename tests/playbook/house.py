"""A gateway of real parts with in-memory ends: a message comes in, records and an answer come out."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec

from doorward.audit.large import LargeRecords
from doorward.audit.recorder import Recorder
from doorward.backends.memory.sessions import MemorySessions
from doorward.catalog.definitions import definitions
from doorward.catalog.route import SnapshotRouter
from doorward.catalog.snapshot import Listing, Snapshot, describe
from doorward.model.call import Call, Credential, Events, Inbound, Outcome, Reply
from doorward.model.errors import CallerError, GatewayError
from doorward.model.grants import AgentRules, Grant, PolicySpec
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, ToolRule
from doorward.model.verdict import Mode, Permit
from doorward.pipeline.dispatch import Dispatch
from doorward.pipeline.door import Door
from doorward.pipeline.evidence import Evidence
from doorward.pipeline.gateway import Gateway
from doorward.pipeline.inflight import InFlight
from doorward.pipeline.listens import Listens
from doorward.pipeline.local import Local
from doorward.pipeline.order import AfterSlot, BeforeSlot
from doorward.pipeline.read import Reader
from doorward.pipeline.rescue import Answer
from doorward.pipeline.run import AfterPhase, BeforePhase
from doorward.pipeline.shares import Shares
from doorward.policy.engine import Engine
from doorward.ports.audit import Role
from doorward.ports.catalog import Description, Entry
from doorward.ports.watched import Wish
from doorward.wire import meta
from tests.support.schema import check_record
from tests.unit.policy.build import grant, scope, when

BOT = Principal("default", "anna", "ci-bot", "key", "key-of-anna")
OTHER = Principal("default", "otto", "other-bot", "key", "key-of-otto")
PEOPLE = {"bot": BOT, "other": OTHER}
MODERN = "2026-07-28"
AMOUNT = {"amount": {"type": "integer"}, "to": {"type": "string"}}

TOOLS: dict[str, list[dict[str, Any]]] = {
    "bank": [
        {"name": "balance", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
        {"name": "transfer", "inputSchema": {"type": "object", "properties": AMOUNT}},
        {"name": "close_account", "inputSchema": {"type": "object"}},
    ],
    "files": [{"name": "read", "inputSchema": {"type": "object"}}],
}
PROMPTS = {"bank": [{"name": "greet"}, {"name": "audit_plan"}]}
RESOURCES = {"bank": [{"uri": "doc://rates", "name": "rates"}, {"uri": "doc://vault", "name": "vault"}]}
TEMPLATES = {"bank": [{"uriTemplate": "acct://{id}", "name": "account"}]}
LIMIT = when("amount", "at_most", 100)
GRANTS = (
    grant(
        servers=["bank"],
        tools=scope(["balance"]),
        prompts=scope(["greet"]),
        resources=scope(["doc://rates", "acct://*"]),
    ),
    grant(servers=["bank"], tools=scope(["transfer"]), conditions=[LIMIT]),
)

Message = dict[str, Any]
Script = Callable[[Permit], Awaitable[Reply]]


class Log:
    """Keeps records in order, each held against the published schema; refuses the kinds in `broken`."""

    def __init__(self, happened: list[str]) -> None:
        self.records: list[dict[str, Any]] = []
        self.broken: set[str] = set()
        self.forsaken = 0
        """Outcomes that will not come."""
        self._happened = happened

    async def append(
        self, record: bytes, waiter: Any = None, role: Role = Role.OTHER, changing: bool = False
    ) -> None:
        await asyncio.sleep(0)
        said = json.loads(record)
        if said["kind"] in self.broken:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, "the disk is full")
        check_record(said)
        self.records.append(said)
        self._happened.append(said["kind"])

    def forsake(self) -> None:
        self.forsaken += 1

    def kind(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["kind"] == kind]


class Ring:
    def current(self, purpose: str) -> tuple[int, bytes]:
        return 1, b"k" * 32

    def version(self, purpose: str, number: int) -> bytes:
        return b"k" * 32


class Identity:
    """Knows two keys; looks at nothing else."""

    def identify(self, credential: Credential, endpoint: str | None) -> Principal:
        if credential.secret is None:
            raise CallerError(Reason.CREDENTIAL_MISSING, "no key")
        if credential.secret not in PEOPLE:
            raise CallerError(Reason.CREDENTIAL_INVALID, "not a key of ours")
        return PEOPLE[credential.secret]


class Servers:
    """Implements ports.Upstream for every server; `script` says how they answer."""

    def __init__(self, happened: list[str]) -> None:
        self.sent: list[Permit] = []
        self.script: Script = hello
        self._happened = happened

    async def send(self, permit: Permit) -> Reply:
        self.sent.append(permit)
        self._happened.append("sent")
        return await self.script(permit)


async def hello(permit: Permit) -> Reply:
    return Reply(b'{"content":[{"type":"text","text":"done"}]}', None, Outcome.OK, upstream_s=0.001)


class Offer:
    """Implements ports.Catalog and pipeline.local.Offer over a real snapshot."""

    def __init__(self, snapshot: Snapshot, policy: Engine) -> None:
        self.snapshot = snapshot
        self.policy = policy
        self.failing: tuple[str, ...] = ()
        self.refreshed: list[tuple[str | None, Kind]] = []

    @property
    def catalog(self) -> "Offer":
        return self

    @property
    def router(self) -> SnapshotRouter:
        return SnapshotRouter(self.snapshot, self.policy.reaches, self.policy.weigh)

    def entries(self, endpoint: str | None, kind: Kind) -> Sequence[Entry]:
        return self.snapshot.index(endpoint).of(kind).entries

    def describe(self, endpoint: str | None, principal: Principal, kind: Kind | None = None) -> Description:
        names = [name for name in self.snapshot.servers(endpoint) if self.policy.reaches(principal, name)]
        failing = [name for name in names if name in self.failing]
        return describe([self.snapshot.listings[name] for name in names], failing, endpoint)

    async def refresh(self, endpoint: str | None, kind: Kind) -> None:
        self.refreshed.append((endpoint, kind))


class Watched:
    """Implements ports.Watched: keeps what is wanted."""

    def __init__(self) -> None:
        self.wishes: dict[tuple[str, str], Wish] = {}
        self.refused: set[str] = set()
        """What the servers do not take."""

    def want(self, server: str, holder: str, wish: Wish | None) -> None:
        if wish is None:
            self.wishes.pop((server, holder), None)
        else:
            self.wishes[server, holder] = wish

    async def settled(self, server: str, holder: str) -> frozenset[str]:
        await asyncio.sleep(0)
        return frozenset(self.wishes[server, holder].uris) - self.refused


class House:
    """Build one, then `send` bytes or `ask` as a caller."""

    def __init__(
        self,
        *,
        grants: Iterable[Grant] = GRANTS,
        mode: Mode = Mode.ENFORCE,
        see_rules: bool = False,
        before: Sequence[BeforeSlot] = (),
        after: Sequence[AfterSlot] = (),
        tools: dict[str, list[dict[str, Any]]] | None = None,
    ) -> None:
        self.happened: list[str] = []
        self.log = Log(self.happened)
        self.servers = Servers(self.happened)
        self.sessions = MemorySessions()
        self.calls = InFlight()
        listings = {name: listing(name, TOOLS if tools is None else tools) for name in ("bank", "files")}
        agents = {
            "ci-bot": AgentRules("ci-bot", tuple(grants), see_rules),
            "other-bot": AgentRules("other-bot", (grant(servers=["bank"], tools=scope(["balance"])),)),
        }
        spec = PolicySpec(agents, dict.fromkeys(listings, mode), "r1")
        policy = Engine.build(spec, {name: one.all() for name, one in listings.items()})
        self.offer = Offer(Snapshot(listings), policy)
        before_phase, after_phase = BeforePhase(before), AfterPhase(after)
        self.recorder = recorder = Recorder(
            self.log,
            Ring(),
            gateway="g",
            revision="r1",
            modes=spec.modes,
            large=LargeRecords(Shares()),
            off=(*before_phase.off, *after_phase.off),
        )
        self.watched = Watched()
        self.listens = Listens(lambda: self.offer, self.watched, lambda: None)
        local = Local(self.offer, self.sessions, {"name": "doorward", "version": "0"}, self.listens)
        self.gateway = Gateway(
            identity=Identity(),
            reader=Reader(self.sessions),
            calls=self.calls,
            router=SnapshotRouter(self.offer.snapshot, policy.reaches, policy.weigh),
            policy=policy,
            before=before_phase,
            recorder=Evidence(recorder, before_phase.concerning),
            upstream=Dispatch(local, dict.fromkeys(listings, self.servers)),
            after=after_phase,
        )
        self.door = Door(self.gateway, self.sessions)

    async def send(
        self,
        body: Any,
        *,
        secret: str | None = "bot",
        endpoint: str | None = "bank",
        headers: dict[bytes, bytes] | None = None,
        transport: str = "http",
        events: Events | None = None,
    ) -> Answer:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        credential = Credential(secret, "192.0.2.7", local=False, proxied=False)
        return await self.door.serve(Inbound(transport, endpoint, credential, headers or {}, data, events))

    def forget(self) -> None:
        """Start a story after its introduction."""
        self.log.records.clear()
        self.happened.clear()
        self.servers.sent.clear()


class Caller:
    """One client of one era, so that a story can be told for both."""

    def __init__(
        self, house: House, headers: dict[bytes, bytes], *, modern: bool, endpoint: str | None, secret: str
    ) -> None:
        self.house = house
        self.headers = headers
        self.modern = modern
        self.endpoint = endpoint
        self.secret = secret

    async def ask(self, method: str, params: dict[str, Any] | None = None, *, id: Any = 1) -> Answer:  # noqa: A002
        return await self.house.send(
            self.message(method, params, id=id),
            headers=self.fields(method, params),
            endpoint=self.endpoint,
            secret=self.secret,
        )

    def message(self, method: str, params: dict[str, Any] | None = None, *, id: Any = None) -> Message:  # noqa: A002
        given = dict(params or {})
        if self.modern:
            envelope = {meta.PROTOCOL_VERSION: MODERN, meta.CLIENT_CAPABILITIES: {}}
            given["_meta"] = envelope | given.get("_meta", {})
        return request(method, given, id=id)

    def fields(self, method: str, params: dict[str, Any] | None = None) -> dict[bytes, bytes]:
        if not self.modern:
            return self.headers
        fields = {b"mcp-protocol-version": MODERN.encode(), b"mcp-method": method.encode()}
        member = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}.get(method)
        if member is not None and member in (params or {}):
            fields[b"mcp-name"] = str((params or {})[member]).encode()
        return fields | self.headers


async def legacy(
    house: House, *, version: str = "2025-11-25", endpoint: str | None = "bank", secret: str = "bot"
) -> Caller:
    """A client that has shaken hands; the story starts after that."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    answer = await house.send(request("initialize", params, id=0), endpoint=endpoint, secret=secret)
    headers = {
        b"mcp-session-id": dict(answer.headers)[b"mcp-session-id"],
        b"mcp-protocol-version": version.encode(),
    }
    house.forget()
    return Caller(house, headers, modern=False, endpoint=endpoint, secret=secret)


async def modern(house: House, *, endpoint: str | None = "bank", secret: str = "bot") -> Caller:
    return Caller(house, {}, modern=True, endpoint=endpoint, secret=secret)


ERAS = [legacy, modern]


def request(method: str, params: dict[str, Any] | None = None, *, id: Any = None) -> Message:  # noqa: A002
    """A request, or a notification without an id."""
    message: Message = {"jsonrpc": "2.0", "method": method}
    if id is not None:
        message["id"] = id
    if params is not None:
        message["params"] = params
    return message


def listing(server: str, tools: dict[str, list[dict[str, Any]]]) -> Listing:
    offered = {Kind.TOOL: tools, Kind.PROMPT: PROMPTS, Kind.RESOURCE: RESOURCES, Kind.TEMPLATE: TEMPLATES}
    rules = [ToolRule("transfer", None, ("to",))]
    found = {kind: definitions(server, kind, given.get(server, []), rules) for kind, given in offered.items()}
    capabilities = (
        {"tools": {}, "prompts": {}, "resources": {"subscribe": True}} if server == "bank" else {"tools": {}}
    )
    return Listing(server, found, capabilities, {"name": server, "version": "1"}, None)


def body(answer: Answer) -> dict[str, Any]:
    """The answer's JSON-RPC message."""
    said = json.loads(answer.body)
    assert isinstance(said, dict)
    return said


def error(answer: Answer) -> tuple[int, int, str | None]:
    """HTTP status, JSON-RPC code, reason."""
    said = body(answer)["error"]
    return answer.status, said["code"], (said.get("data") or {}).get("reason")


def changed(call: Call, **arguments: Any) -> Call:
    """The call with other arguments."""
    return msgspec.structs.replace(call, params=call.params | {"arguments": call.arguments | arguments})
