"""Changes reach those who listen, whatever era they and the server speak; official SDK on both sides."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.conftest import Start
from tests.e2e.support import changing
from tests.e2e.support.clients import LEGACY, MODERN, TIMEOUT_S, connect
from tests.e2e.support.gateway import DOORWARD, Gateway
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings("ignore:.*removed as of 2026-07-28:mcp.MCPDeprecationWarning"),
]
SERVERS = ("legacy", "modern", "stdio")
AGENTS = {
    "reader": {
        "grants": [{"servers": ["notes"], "tools": {"allow": ["*"]}, "resources": {"allow": ["note://*"]}}]
    },
    "caller": {"grants": [{"servers": ["notes"], "tools": {"allow": ["touch", "grow"]}}]},
}


class Heard:
    """What a client is told, in either era: `tools`, or a URI."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.told: list[str] = []

    async def take(self, message: Any) -> None:
        """A legacy client's handler of notifications."""
        match getattr(message, "method", ""):
            case "notifications/tools/list_changed":
                self.told.append("tools")
            case "notifications/resources/updated":
                self.told.append(str(message.params.uri))

    async def until(self, *told: str, within: float = 5.0) -> None:
        for _ in range(round(within / 0.05)):
            if set(told) <= set(self.told):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"heard {self.told}, not {told}")


@asynccontextmanager
async def listening(
    gw: Gateway, agent: str, era: str, *uris: str, path: str = "/mcp/notes"
) -> AsyncIterator[Heard]:
    """A client that listens to tools and to these resources."""
    headers = {"Authorization": f"Bearer {gw.key(agent)}"}
    heard = Heard(None)  # type: ignore[arg-type]

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S))
        transport = streamable_http_client(f"{gw.url}{path}", http_client=http)
        client = Client(transport, mode=era, message_handler=heard.take)
        heard.client = await stack.enter_async_context(client)
        if era == LEGACY:
            for uri in uris:
                await heard.client.subscribe_resource(uri)
            await asyncio.sleep(0.3)  # its GET stream is opened in the background
            yield heard
            return
        listen = heard.client.listen(tools_list_changed=True, resource_subscriptions=uris)
        subscription = await stack.enter_async_context(listen)

        async def take() -> None:
            async for event in subscription:
                heard.told.append(getattr(event, "uri", "tools"))

        taking = asyncio.create_task(take())
        try:
            yield heard
        finally:
            taking.cancel()
            await asyncio.wait({taking})


@contextmanager
def server(kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Its entry in the configuration."""
    if kind == "stdio":
        yield {"command": [sys.executable, changing.__file__, "stdio"], "shared": True}
        return
    port = free_port()
    with child([sys.executable, changing.__file__, kind, str(port)], folder / f"{kind}.log") as upstream:
        upstream.wait_until(lambda: listens(port), "the server listens")
        yield {"url": f"http://{LOOPBACK}:{port}/mcp"}


async def touch(client: Client, *uris: str) -> None:
    for uri in uris:
        result = await client.call_tool("touch", {"uri": uri})
        assert not result.is_error, result


@pytest.mark.spec("DW-222")
@pytest.mark.parametrize("era", [LEGACY, MODERN])
@pytest.mark.parametrize("kind", SERVERS)
async def test_changes_reach_those_who_asked_for_them(
    start: Start, tmp_path: Path, kind: str, era: str
) -> None:
    with ExitStack() as stack:
        gw = start({"servers": {"notes": stack.enter_context(server(kind, tmp_path))}, "agents": AGENTS})
        async with (
            listening(gw, "reader", era, "note://one") as one,
            listening(gw, "reader", era, "note://two") as two,
        ):
            await asyncio.sleep(0.5)
            # By the first, too: some servers tell a session nothing that another one has caused.
            await touch(one.client, "note://one")
            await touch(two.client, "note://two")
            await one.client.call_tool("grow", {})

            await one.until("note://one", "tools")
            await two.until("note://two", "tools")
            assert "note://two" not in one.told
            assert "note://one" not in two.told


@pytest.mark.spec("DW-223")
async def test_who_may_not_read_is_told_nothing(start: Start, tmp_path: Path) -> None:
    with ExitStack() as stack:
        gw = start({"servers": {"notes": stack.enter_context(server("modern", tmp_path))}, "agents": AGENTS})
        async with (
            listening(gw, "caller", MODERN, "note://one") as deaf,
            listening(gw, "reader", MODERN, "note://one") as hears,
        ):
            await touch(deaf.client, "note://one")
            await hears.until("note://one")
            assert deaf.told == []


@pytest.mark.spec("DW-222")
async def test_at_the_common_endpoint_a_resource_has_its_common_name(start: Start, tmp_path: Path) -> None:
    with ExitStack() as stack:
        gw = start({"servers": {"notes": stack.enter_context(server("legacy", tmp_path))}, "agents": AGENTS})
        key = gw.key("reader")
        async with connect(f"{gw.url}/mcp", key) as client:
            uris = [str(one.uri) for one in (await client.list_resources()).resources]
        for era in (LEGACY, MODERN):
            async with listening(gw, "reader", era, uris[0], path="/mcp") as heard:
                await heard.client.call_tool("notes__touch", {"uri": "note://one"})
                await heard.until(uris[0])


@pytest.mark.spec("DW-228")
@pytest.mark.parametrize("kind", ["legacy", "modern"])
async def test_a_server_that_was_away_is_listened_to_again(start: Start, tmp_path: Path, kind: str) -> None:
    port = free_port()
    command = [sys.executable, changing.__file__, kind, str(port)]
    with ExitStack() as stack:
        upstream = stack.enter_context(child(command, tmp_path / "first.log"))
        upstream.wait_until(lambda: listens(port), "the server listens")
        config = {"notes": {"url": f"http://{LOOPBACK}:{port}/mcp"}}
        gw = start({"servers": config, "agents": AGENTS})
        async with listening(gw, "reader", MODERN, "note://one") as heard:
            await touch(heard.client, "note://one")
            await heard.until("note://one")
            heard.told.clear()
            upstream.stop()
            again = stack.enter_context(child(command, tmp_path / "second.log"))
            again.wait_until(lambda: listens(port), "the server listens again")
            await heard.until("note://one", within=20.0)  # it may have been missed
            heard.told.clear()
            await touch(heard.client, "note://one")
            await heard.until("note://one")


async def test_a_gateway_inside_its_client_listens_too(start: Start, tmp_path: Path) -> None:
    config = {
        "auth": "none",
        "servers": {"notes": {"command": [sys.executable, changing.__file__, "stdio"]}},
        "agents": {"anonymous": AGENTS["reader"]},
    }
    (tmp_path / "inside").mkdir()
    inside = Gateway(tmp_path / "inside", config)
    command = StdioServerParameters(command=DOORWARD, args=["serve", "--stdio", "-c", str(inside.config)])
    async with Client(command, mode=MODERN, read_timeout_seconds=TIMEOUT_S) as client:
        uris: list[str] = []
        async with asyncio.timeout(TIMEOUT_S):
            while not uris:  # a list waits a bounded time for a process that is being started
                uris = [str(one.uri) for one in (await client.list_resources()).resources]
        uri = next(uri for uri in uris if "one" in uri)
        async with client.listen(resource_subscriptions=[uri]) as subscription:
            await asyncio.sleep(1.0)  # its own process is subscribed in the background
            await client.call_tool("notes__touch", {"uri": "note://one"})
            async with asyncio.timeout(10):
                event = await anext(subscription)
    assert getattr(event, "uri", None) == uri
