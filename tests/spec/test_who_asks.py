"""Credentials over whole gateways: where they count, where they do not (brief 4)."""

from pathlib import Path

import pytest

from tests.spec.peers import LATEST, MODERN
from tests.spec.scene import each_client, full, over_sockets, scene
from tests.spec.world import EVERYTHING, META, world

pytestmark = over_sockets


@pytest.mark.spec("DW-407")
@each_client
@pytest.mark.parametrize("where", ["?access_token={}", "?key={}", "?api_key={}&access_token={}"])
async def test_a_credential_in_the_query_is_none(down: str, where: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        key = client.fields.pop("Authorization").removeprefix("Bearer ")
        client.path += where.replace("{}", key)
        said = await client.call()
        assert said.status == (400 if "access_token" in where else 401)
        assert peer.asked("tools/call") == []


@pytest.mark.spec("DW-400", "DW-401")
@pytest.mark.parametrize("verb", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("key", [None, "Bearer", "Bearer dw_live_x", "Basic eA==", "bearer x"])
async def test_every_request_needs_its_credential(verb: str, key: str | None, tmp_path: Path) -> None:
    async with scene(tmp_path) as (peer, client, _):
        fields = client.fields | ({} if key is None else {"Authorization": key})
        if key is None:
            del fields["Authorization"]
        before = len(peer.seen)
        said = await client.http.request(
            verb, client.path, headers=fields, content=b"{}" if verb == "POST" else b""
        )
        assert said.status_code == 401
        assert said.headers["www-authenticate"].startswith("Bearer ")
        assert "id" not in said.json()
        assert len(peer.seen) == before
        assert (await client.ask("ping")).result == {}


@pytest.mark.spec("DW-402")
async def test_what_a_client_says_of_itself_opens_nothing(tmp_path: Path) -> None:
    agents = {"bot": {"grants": []}, "admin": EVERYTHING}
    async with world(tmp_path, {"lab": full()}, agents=agents) as made:
        client = await made.client(version=MODERN)
        lies = {f"{META}clientInfo": {"name": "admin", "version": "1"}}
        for method, params in (("tools/call", {"name": "echo"}), ("tools/list", {})):
            said = await client.ask(method, params | {"_meta": lies})
            assert said.status == 404  # a server that no grant names is a path that does not exist


@pytest.mark.spec("DW-403", "DW-829")
async def test_a_preflight_needs_no_credential_and_a_page_learns_what_it_may(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, _, made):
        asks = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "mcp-param-x, x-evil",
        }
        evil = await made.http.options("/mcp", headers={"Origin": "https://evil.example"} | asks)
        assert evil.status_code == 403
        assert "access-control-allow-origin" not in evil.headers


@pytest.mark.spec("DW-098")
async def test_the_transport_of_2024_is_not_served_to_clients(tmp_path: Path) -> None:
    """A client of HTTP+SSE begins with a GET and waits for an `endpoint` event: it is told 405 at once."""
    async with scene(tmp_path, "2024-11-05") as (_, client, _):
        fields = client.fields | {"Accept": "text/event-stream"}
        del fields["Mcp-Session-Id"]
        said = await client.http.get(client.path, headers=fields)
        assert said.status_code == 405
        assert (await client.call()).status == 200


@pytest.mark.spec("DW-190")
@each_client
async def test_lists_come_in_one_order_whoever_asks_and_how_often(down: str, tmp_path: Path) -> None:
    peers = {"zed": full(), "able": full(MODERN), "mid": full(LATEST)}
    for peer in peers.values():
        peer.lists["tools"] = [{"name": name, "inputSchema": {"type": "object"}} for name in "cab"]
    async with world(tmp_path, peers) as made:
        seen = set()
        for agent in ("bot", "other", "bot"):
            client = await made.client("/mcp", down, agent=agent)
            listed = (await client.ask("tools/list")).result["tools"]
            seen.add(tuple(one["name"] for one in listed))
        (order,) = seen
        assert [name.partition("__")[2] for name in order[:3]] == ["c", "a", "b"]
