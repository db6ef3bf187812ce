"""One hostile server behind the aggregate: its neighbours' names stay theirs, and their lists are shown."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from doorward.catalog import keeper as keeping
from doorward.catalog.definitions import LIST_METHOD, definitions
from doorward.catalog.keeper import Keeper
from doorward.catalog.route import SnapshotRouter
from doorward.catalog.snapshot import Listing, Snapshot, describe, unknown
from doorward.model.call import Call, Era
from doorward.model.errors import CallerError
from doorward.model.grants import AgentRules, PolicySpec
from doorward.model.principal import Principal
from doorward.model.target import Kind
from doorward.model.verdict import Mode
from doorward.pipeline.lists import UNAVAILABLE_META, Lists
from doorward.pipeline.shares import Shares
from doorward.policy.engine import Engine
from doorward.upstream.server import Server
from doorward.wire import uris
from tests.attack.hostile_server import Lab, Request, http, lab, permit, silent
from tests.unit.catalog.build import listing, snapshot
from tests.unit.policy.build import grant, scope

ME = Principal("tenant", "subject", "agent", "none")
HONEST = ["files__read"]


class Neighbour:
    """Implements ports.Lister: an honest server that is always there."""

    capabilities = {"tools": {}}  # noqa: RUF012
    server_info: dict[str, Any] = {}  # noqa: RUF012
    instructions = None
    up = True
    starting = False

    async def list(self, method: str) -> list[dict[str, Any]]:
        return [{"name": "read", "inputSchema": {"type": "object"}}] if method == "tools/list" else []


class House:
    """Keeper, names, rules and lists over a hostile server and an honest one."""

    def __init__(self, hostile: Server) -> None:
        listers = {"lab": hostile, "files": Neighbour()}
        rules = AgentRules("agent", (grant(servers=["*"], tools=scope(["*"]), resources=scope(["*"])),))
        spec = PolicySpec({"agent": rules}, dict.fromkeys(listers, Mode.ENFORCE), "r")
        self.snapshot = Snapshot({name: unknown(name) for name in listers})
        self.policy = Engine.build(spec, {})
        self.keeper = Keeper(listers, {}, self._changed, {}, Shares())
        self.lists = Lists(self)

    @property
    def catalog(self) -> "House":
        return self

    def entries(self, endpoint: str | None, kind: Kind) -> Any:
        return self.snapshot.index(endpoint).of(kind).entries

    def describe(self, endpoint: str | None, principal: Principal, kind: Kind | None = None) -> Any:
        names = self.snapshot.servers(endpoint)
        failing = self.keeper.failing(names, kind)
        return describe([self.snapshot.listings[name] for name in names], failing, endpoint)

    async def refresh(self, endpoint: str | None, kind: Kind) -> None:
        await self.keeper.recent(self.snapshot.servers(endpoint), (kind,))

    async def _changed(self, listing: Listing, kind: Kind) -> None:
        self.snapshot = self.snapshot.with_listing(listing)
        self.policy = self.policy.with_definitions(listing.server, listing.all())

    async def tools(self) -> tuple[list[str], list[str]]:
        """The names shown, and the servers named as missing."""
        reply = await self.lists.answer(asked("tools/list", {}), ME)
        result = json.loads(reply.result or b"")
        missing = result.get("_meta", {}).get(UNAVAILABLE_META, [])
        return [tool["name"] for tool in result["tools"]], missing


def asked(method: str, params: dict[str, Any]) -> Call:
    return permit(method=method, params=params, era=Era.LEGACY).call


def offers(made: Lab, *pages: list[dict[str, Any]], endless: bool = False) -> None:
    """Answers `tools/list` with these pages; `endless`: with another cursor behind the last one, too."""
    turn = iter(range(1_000_000))

    def act(request: Request, writer: asyncio.StreamWriter) -> None:
        number = next(turn)
        result: dict[str, Any] = {"tools": pages[number % len(pages)]}
        if endless or number + 1 < len(pages):
            result["nextCursor"] = f"page-{number}"
        writer.write(http(200, request.result(result)))

    made.acts["tools/list"] = act


def many(count: int) -> list[dict[str, Any]]:
    return [{"name": f"t{n}", "inputSchema": {"type": "object"}} for n in range(count)]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(keeping, "WAIT_S", 1.0)
    monkeypatch.setattr(keeping, "DOUBTFUL_WAIT_S", 0.05)
    return


@pytest.mark.spec("DW-184")
@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["hundred thousand", "endless pages", "endless empty pages", "garbage"])
async def test_a_list_that_cannot_be_used_is_named_and_hides_nobody(how: str) -> None:
    async with lab() as (made, server):
        house = House(server)
        if how == "hundred thousand":
            offers(made, many(100_000))
        elif how == "garbage":
            offers(made, ["tool", 7])  # type: ignore[list-item]
        else:
            offers(made, many(0 if "empty" in how else 3), endless=True)

        assert await house.tools() == (HONEST, ["lab"])
        walked = made.times("tools/list")
        assert await house.tools() == (HONEST, ["lab"])
        assert made.times("tools/list") == walked  # asked again at intervals, and not by each caller
        await house.keeper.close()


@pytest.mark.spec("DW-189")
@pytest.mark.asyncio
@pytest.mark.parametrize(("kind", "named"), [(Kind.TEMPLATE, ()), (Kind.RESOURCE, ("lab",))])
async def test_only_templates_may_be_unknown_to_a_server_that_says_it_has_them(kind: Kind, named) -> None:
    def act(request: Request, writer: asyncio.StreamWriter) -> None:
        error = {"code": -32601, "message": "Method not found"}
        said = {"jsonrpc": "2.0", "id": request.id, "error": error}
        writer.write(http(200, json.dumps(said).encode()))

    async with lab() as (made, server):
        house = House(server)
        made.acts[LIST_METHOD[kind]] = act
        await house.refresh(None, kind)

        assert house.keeper.failing(["lab", "files"], kind) == named
        assert house.keeper.unlisted("lab") == (("resources/list",) if named else ())
        await house.keeper.close()


@pytest.mark.spec("DW-187")
@pytest.mark.asyncio
async def test_a_list_that_hangs_is_waited_for_once_and_keeps_what_was_known() -> None:
    async with lab() as (made, server):
        house = House(server)
        assert await house.tools() == (["lab__echo", *HONEST], [])
        made.acts["tools/list"] = silent
        house.keeper._asked.clear()

        began = time.monotonic()
        first = await house.tools()
        waited = time.monotonic() - began
        second = await house.tools()

        assert first == second == (["lab__echo", *HONEST], ["lab"])
        assert 0.9 < waited < 10.0
        assert time.monotonic() - began - waited < 0.8
        await house.keeper.close()


@pytest.mark.spec("DW-328")
@pytest.mark.asyncio
async def test_a_tool_that_is_listed_twice_is_not_offered() -> None:
    async with lab() as (made, server):
        house = House(server)
        twice = [{"name": "pay", "inputSchema": {"type": "object"}, "description": text} for text in "ab"]
        offers(made, [*twice, *many(1)])

        assert await house.tools() == (["lab__t0", *HONEST], [])
        await house.keeper.close()


VICTIM = listing(
    "files", tools=("read", "a.b"), resources=("file:///a", "ui://card"), templates=("file:///{+p}",)
)
IMITATIONS = (
    "files+file:///a",
    "ui://files/card",
    "ui:///files",
    "file:///a",
    "x.files+file:///a",
    "+file:///a",
)
TEMPLATES = (
    "{+any}", "files+file:///{p}", "ui://files/{card}", "{", "}{", "{x}{x}{x}", "f{?a*}", "{p:3}", "u\0{x}",
    "ü{x}", "{" * 2000, "{+" + "a," * 900 + "a}",
)  # fmt: skip


@pytest.mark.spec("DW-324")
@pytest.mark.parametrize("evil", ["evil", "file", "files-", "1files", "-", "x", "ui"])
def test_nothing_that_a_server_lists_is_taken_for_its_neighbours(evil: str) -> None:
    tools = ("read", "files__read", "_read", "__read", "s__read", "a_b_cd0c4e3f", "A.B")
    hostile = listing(evil, tools=tools, resources=IMITATIONS, templates=TEMPLATES)
    before, after = snapshot(VICTIM), snapshot(hostile, VICTIM)
    router = SnapshotRouter(after, lambda *_: True)

    for kind in (Kind.TOOL, Kind.RESOURCE, Kind.TEMPLATE):
        entries = after.index(None).of(kind).entries
        assert [one for one in entries if one.target.server == "files"] == list(
            before.index(None).of(kind).entries
        )
        assert len({one.exposed.lower() for one in entries}) == len(entries)
        assert len(entries) == len(hostile.definitions[kind]) + len(VICTIM.definitions[kind])
    for uri in IMITATIONS:
        target = router.route(asked("resources/read", {"uri": uris.expose(evil, uri)}), ME)
        assert (target.server, target.name) == (evil, uri)
    for entry in before.index(None).of(Kind.RESOURCE).entries:
        assert router.route(asked("resources/read", {"uri": entry.exposed}), ME).server == "files"


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_hostile_template_takes_no_read_that_does_not_name_its_server(template: str) -> None:
    offer = snapshot(listing("evil", templates=(template,)), VICTIM)
    router = SnapshotRouter(offer, lambda *_: True)

    assert router.route(asked("resources/read", {"uri": "files+file:///other"}), ME).server == "files"
    for uri in ("file:///other", "memo:x", "ui://card"):
        with pytest.raises(CallerError):
            router.route(asked("resources/read", {"uri": uri}), ME)


def test_the_longest_listings_are_named_in_time() -> None:
    """10,000 tools with one beginning beyond the length of a name: each gets digits, none of them twice."""
    listed = [{"name": "x" * 60 + str(n)} for n in range(10_000)]
    found = definitions("evil", Kind.TOOL, listed, ())
    began = time.process_time()

    offer = snapshot(Listing("evil", {Kind.TOOL: found}, {"tools": {}}, {}, None))
    entries = offer.index(None).of(Kind.TOOL).entries

    assert len({one.exposed.lower() for one in entries}) == 10_000
    assert max(len(one.exposed) for one in entries) == 64
    assert time.process_time() - began < 3.0
