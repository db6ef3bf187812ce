"""What a list of 13,000 tools costs: 200 servers of 65 tools, which answer in 20 ms, for one agent.

The parts of a gateway that make a list, without sockets: what the servers say is read from JSON as it comes
from them. Prints one JSON object: milliseconds of the first list and of one that is asked for again (their
processor time beside them), of one for which every server is asked again, and the size of the process.
"""

import asyncio
import json
import resource
import time
from typing import Any

import msgspec

from doorward.catalog.indexes import pair_steps
from doorward.catalog.keeper import Keeper
from doorward.catalog.snapshot import Listing, Snapshot, describe, unknown
from doorward.model.call import Call, Era
from doorward.model.grants import AgentRules, Glob, Grant, PolicySpec, Scope
from doorward.model.principal import Principal
from doorward.model.target import Kind
from doorward.model.verdict import Mode, RuleRef
from doorward.pipeline.lists import Lists
from doorward.pipeline.shares import Shares
from doorward.policy.engine import Engine
from doorward.ports.catalog import Description, Entry

SERVERS, TOOLS, ANSWERS_S, AGAIN = 200, 65, 0.020, 5
CALLER = Principal("default", "someone", "agent", "none")
HERE = RuleRef("agent.0", "bench.yaml", 1)


def tools_of(server: str) -> bytes:
    names = [f"parameter_{n}" for n in range(4)]
    properties = {
        name: {"type": "string", "description": f"What {name} is, in a few words."} for name in names
    }
    schema = {"type": "object", "properties": properties, "required": names[:1]}
    said = f"Looks something up at {server} and tells what it found, in a sentence or two."
    return json.dumps(
        [
            {
                "name": f"look_up_{n}",
                "description": said,
                "inputSchema": schema,
                "annotations": {"readOnlyHint": True},
            }
            for n in range(TOOLS)
        ]
    ).encode()


class Far:
    """Implements ports.Lister."""

    def __init__(self, name: str) -> None:
        self.capabilities: dict[str, Any] = {"tools": {}}
        self.server_info: dict[str, Any] = {"name": name, "version": "1"}
        self.instructions: str | None = None
        self.up = True
        self.starting = False
        self._said = tools_of(name)

    async def list(self, method: str) -> list[dict[str, Any]]:
        await asyncio.sleep(ANSWERS_S)
        return msgspec.json.decode(self._said, type=list[dict[str, Any]]) if method == "tools/list" else []


class World:
    """Implements ports.Catalog and pipeline.lists.Offer, as app/world.py does."""

    def __init__(self) -> None:
        servers = {f"server-{n}": Far(f"server-{n}") for n in range(SERVERS)}
        allowed = Scope(tuple(Glob(f"look_up_{n}", HERE) for n in range(0, TOOLS, 13)), ())
        grant = Grant(at=HERE, servers=(Glob("*", HERE),), tools=allowed)
        spec = PolicySpec(
            {"agent": AgentRules("agent", (grant,))}, dict.fromkeys(servers, Mode.ENFORCE), "bench"
        )
        self.snapshot = Snapshot({name: unknown(name) for name in servers})
        self.policy = Engine.build(spec, {})
        self.shares = Shares()
        self.keeper = Keeper(servers, {}, self._changed, {}, self.shares)

    @property
    def catalog(self) -> "World":
        return self

    def entries(self, endpoint: str | None, kind: Kind) -> tuple[Entry, ...]:
        return self.snapshot.index(endpoint).of(kind).entries

    def describe(self, endpoint: str | None, principal: Principal, kind: Kind | None = None) -> Description:
        names = [name for name in self.snapshot.servers(endpoint) if self.policy.reaches(principal, name)]
        listings = [self.snapshot.listings[name] for name in names]
        return describe(listings, self.keeper.failing(names, kind), endpoint)

    async def refresh(self, endpoint: str | None, kind: Kind) -> None:
        await self.keeper.recent(self.snapshot.servers(endpoint), (kind,))

    async def _changed(self, listing: Listing, kind: Kind) -> None:
        made = await self.shares.run(pair_steps(listing.definitions[kind]))
        self.snapshot = self.snapshot.with_listing(listing, {kind: made})
        self.policy = self.policy.with_definitions(listing.server, listing.all())


def question() -> Call:
    return Call(
        id=1,
        method="tools/list",
        params={},
        meta={},
        era=Era.LEGACY,
        version="2025-11-25",
        endpoint=None,
        session=None,
        capabilities={},
        client={},
        log_level=None,
        progress_token=None,
        events=None,
        scope=None,
    )


async def asked(lists: Lists) -> tuple[float, float]:
    """Milliseconds that it took, and of the processor."""
    began, spent = time.perf_counter(), time.process_time()
    reply = await lists.answer(question(), CALLER)
    took = (time.perf_counter() - began) * 1e3, (time.process_time() - spent) * 1e3
    shown = len(msgspec.json.decode(reply.result or b"")["tools"])
    assert shown == SERVERS * len(range(0, TOOLS, 13)), shown
    return took


async def main() -> None:
    world = World()
    lists = Lists(world)
    cold, cold_cpu = await asked(lists)
    warm, warm_cpu = min([await asked(lists) for _ in range(AGAIN)])
    servers = world.snapshot.servers(None)
    began = time.perf_counter()
    await world.keeper.recent(servers, (Kind.TOOL,), max_age=-1.0)
    again = (time.perf_counter() - began) * 1e3
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"cold_ms": cold, "cold_cpu_ms": cold_cpu, "warm_ms": warm, "warm_cpu_ms": warm_cpu}
    print(json.dumps({**told, "asked_again_ms": again, "rss_mb": size}))


if __name__ == "__main__":
    asyncio.run(main())
