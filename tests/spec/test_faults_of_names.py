"""What other gateways got wrong (research brief 8), numbers 8, 9, 16 to 19: names, URIs and who sees what."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.spec.peers import LATEST, MODERN, Json, Peer
from tests.spec.scene import each_client, each_server, full, over_sockets
from tests.spec.world import ALL, Client, world

pytestmark = over_sockets
OBJECT = {"type": "object"}


def tools(*names: str, **more: Any) -> list[Json]:
    return [{"name": name, "inputSchema": OBJECT} | more for name in names]


async def names(client: Client) -> list[str]:
    return [tool["name"] for tool in (await client.ask("tools/list")).result["tools"]]


@pytest.mark.spec("DW-808")
@each_client
@pytest.mark.parametrize(
    "spelled",
    [
        '"name":"close","name":"echo"',
        '"name":"echo","name":"close"',
        '"name":"echo","Name":"close"',
        '"NAME":"close","name":"echo"',
    ],
)
async def test_08_no_second_spelling_gets_past_a_rule(down: str, spelled: str, tmp_path: Path) -> None:
    peer = full()
    peer.lists["tools"] = tools("echo", "close")
    only = {"bot": {"grants": [{"servers": ["lab"], "tools": {"allow": ["echo"]}}]}}
    async with world(tmp_path, {"lab": peer}, agents=only) as made:
        client = await made.client(version=down)
        message = client.message("tools/call", {"name": "echo"})
        body = json.dumps(message).replace('"name": "echo"', spelled).encode()
        said = await client.post(body, client.heads(message))
        assert said.error == (400 if client.modern else 200, -32600)
        assert peer.asked("tools/call") == []


@pytest.mark.spec("DW-809", "DW-326")
@each_client
@pytest.mark.parametrize("path", ["/mcp", "/mcp/lab"])
async def test_09_rules_and_routes_read_a_name_alike(down: str, path: str, tmp_path: Path) -> None:
    peer = full()
    peer.lists["tools"] = tools("echo", "ECHO", "drop")
    rules = {"bot": {"grants": [{"servers": ["lab"], "tools": {"allow": ["echo"]}}]}}
    async with world(tmp_path, {"lab": peer}, agents=rules) as made:
        client = await made.client(path, down)
        (shown,) = await names(client)
        assert (await client.call(shown)).status == 200
        assert peer.last().params["name"] == "echo"
        for other in (
            "ECHO",
            "Echo",
            "lab__ECHO",
            "LAB__echo",
            "lab__Echo",
            "drop",
            "lab__drop",
            " echo",
            "echo ",
            "ＥＣＨＯ",
        ):
            assert (await client.call(other)).error == (200, -32602)
        assert len(peer.asked("tools/call")) == 1


@pytest.mark.spec("DW-816", "DW-330", "DW-331")
@each_client
@each_server
async def test_16_every_uri_at_the_aggregate_can_be_followed(down: str, up: str, tmp_path: Path) -> None:
    card = "ui://card/a.html"
    peer = full(up)
    peer.lists["tools"] = tools("echo", _meta={"ui": {"resourceUri": card}})
    peer.lists["resources"] = [{"uri": uri, "name": "r"} for uri in ("file:///a b", "memo:x", card)]
    content = [
        {"type": "resource_link", "uri": "memo:x", "name": "x"},
        {"type": "resource", "resource": {"uri": "file:///a b", "text": "t"}},
        {"type": "text", "text": "see memo:x"},
    ]
    peer.results["tools/call"] = {"content": content, "structuredContent": {"uri": "memo:x"}}
    async with world(tmp_path, {"lab": peer, "two": full()}) as made:
        client = await made.client("/mcp", down)
        listed = [one["uri"] for one in (await client.ask("resources/list")).result["resources"]]
        mine = [uri for uri in listed if "two" not in uri]
        assert mine == ["lab+file:///a b", "lab+memo:x", "ui://lab/card/a.html"]
        tool = next(
            one for one in (await client.ask("tools/list")).result["tools"] if one["name"] == "lab__echo"
        )
        assert tool["_meta"]["ui"]["resourceUri"] == "ui://lab/card/a.html"
        result = (await client.call("lab__echo")).result
        link, embedded, text = result["content"]
        assert (link["uri"], embedded["resource"]["uri"]) == ("lab+memo:x", "lab+file:///a b")
        assert (text["text"], result["structuredContent"]) == ("see memo:x", {"uri": "memo:x"})
        for shown, own in zip(mine, ("file:///a b", "memo:x", card), strict=True):
            said = (await client.ask("resources/read", {"uri": shown})).result
            assert peer.last("resources/read").params["uri"] == own
            assert said["contents"][0]["uri"] == shown


@pytest.mark.spec("DW-817", "DW-320")
@each_client
@each_server
async def test_17_a_name_with_separators_in_it_reaches_its_own_server(
    down: str, up: str, tmp_path: Path
) -> None:
    one, two = full(up), full(up)
    one.lists["tools"] = tools("b__c", "two__echo", "echo")
    two.lists["tools"] = tools("one__echo", "__echo", "echo")
    async with world(tmp_path, {"one": one, "two": two}) as made:
        client = await made.client("/mcp", down)
        shown = await names(client)
        assert len(set(shown)) == 6
        for name in shown:
            before = {peer: len(peer.asked("tools/call")) for peer in (one, two)}
            assert (await client.call(name)).status == 200
            (reached,) = [peer for peer in (one, two) if len(peer.asked("tools/call")) > before[peer]]
            sent = reached.last().params["name"]
            assert name.startswith("one" if reached is one else "two")
            assert sent in {tool["name"] for tool in reached.lists["tools"]}
            assert reached.last().headers.get("mcp-name") == (sent if up == MODERN else None)
        called = [one.params["name"] for peer in (one, two) for one in peer.asked("tools/call")]
        assert sorted(called) == sorted(tool["name"] for peer in (one, two) for tool in peer.lists["tools"])


LONG = ["a" * 128, "a" * 127 + "b", "with.dots.and/slash", "Ünïcode", "x" * 60, "get", "Get", "ends_0123abcd"]


@pytest.mark.spec("DW-818", "DW-321", "DW-322", "DW-323", "DW-324")
@each_client
async def test_18_names_fit_into_what_models_take_and_stay_what_they_are(down: str, tmp_path: Path) -> None:
    async def shown(peers: dict[str, Peer]) -> dict[str, str]:
        async with world(tmp_path, peers) as made:
            client = await made.client("/mcp", down)
            found = {}
            for name in await names(client):
                assert (await client.call(name)).status == 200
                found[name] = next(
                    peer.last().params["name"] for key, peer in peers.items() if name.startswith(f"{key}__")
                )
            return {name: own for name, own in found.items() if name.startswith("lab__")}

    lab = full()
    lab.lists["tools"] = tools(*LONG)
    alone = await shown({"lab": lab})
    lab = full()
    lab.lists["tools"] = tools(*reversed(LONG))
    among = await shown({"lab": lab, "able": full(), "zed": full()})
    assert alone == among
    assert sorted(alone.values()) == sorted(LONG)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in alone)
    assert len({name.lower() for name in alone}) == len(LONG)


def agents() -> Json:
    def one(tool: str) -> Json:
        return {"grants": [{"servers": ["lab"], "tools": {"allow": [tool]}, "resources": ALL}]}

    return {"bot": one("first"), "other": one("second")}


@pytest.mark.spec("DW-819", "DW-270", "DW-271", "DW-272")
@each_server
@pytest.mark.parametrize("path", ["/mcp", "/mcp/lab"])
async def test_19_nothing_that_one_caller_gets_is_kept_for_another(
    up: str, path: str, tmp_path: Path
) -> None:
    peer = full(up)
    peer.lists["tools"] = tools("first", "second")
    told = iter(range(100))
    peer.results["resources/read"] = lambda asked: {
        "contents": [{"uri": asked.params["uri"], "text": str(next(told))}],
        **({"ttlMs": 3_600_000, "cacheScope": "public"} if up == MODERN else {}),
    }
    async with world(tmp_path, {"lab": peer}, agents=agents()) as made:
        for agent, tool in (("bot", "first"), ("other", "second"), ("bot", "first")):
            client = await made.client(path, MODERN, agent=agent)
            for method in (
                "tools/list",
                "prompts/list",
                "resources/list",
                "resources/templates/list",
                "server/discover",
            ):
                said = (await client.ask(method)).result
                assert said["cacheScope"] == "private"
                assert said["ttlMs"] >= 0
                if method == "tools/list":
                    assert [one["name"].removeprefix("lab__") for one in said["tools"]] == [tool]
        uri = "doc://rates" if path == "/mcp/lab" else "lab+doc://rates"
        texts = []
        for agent in ("bot", "other"):
            client = await made.client(path, MODERN, agent=agent)
            read = (await client.ask("resources/read", {"uri": uri})).result
            assert read["cacheScope"] == "private"
            texts.append(read["contents"][0]["text"])
        assert texts == ["0", "1"]


@pytest.mark.spec("DW-325", "DW-811")
@each_client
async def test_11_capabilities_are_what_the_servers_have_together(down: str, tmp_path: Path) -> None:
    one, two = Peer(LATEST), Peer(MODERN)
    one.capabilities = {"tools": {}, "resources": {"subscribe": True}, "logging": {}}
    apps = {"mimeTypes": ["text/html;profile=mcp-app"]}
    two.capabilities = {
        "tools": {},
        "prompts": {},
        "completions": {},
        "extensions": {"io.modelcontextprotocol/ui": apps},
    }
    async with world(tmp_path, {"one": one, "two": two}) as made:

        async def told(path: str) -> Json:
            client = await made.client(path, down)
            said = await client.ask("server/discover") if down == MODERN else await client.open()
            found: Json = said.result["capabilities"]
            return found

        extensions = {"extensions"} if down == MODERN else set()
        assert (
            set(await told("/mcp"))
            == {"tools", "prompts", "resources", "completions", "logging"} | extensions
        )
        assert (await told("/mcp"))["resources"]["subscribe"] is True
        assert set(await told("/mcp/one")) == {"tools", "resources", "logging"}
        assert set(await told("/mcp/two")) == {"tools", "prompts", "completions"} | extensions
        if down == MODERN:
            assert (await told("/mcp"))["extensions"] == {"io.modelcontextprotocol/ui": apps}
        assert "tasks" not in await told("/mcp")


@pytest.mark.spec("DW-327")
@each_client
async def test_instructions_say_whose_they_are(down: str, tmp_path: Path) -> None:
    one, two = full(LATEST), full(MODERN)
    one.instructions, two.instructions = "Be kind.", "Be brief."
    async with world(tmp_path, {"one": one, "two": two}) as made:

        async def told(path: str) -> str:
            client = await made.client(path, down)
            said = await client.ask("server/discover") if down == MODERN else await client.open()
            return str(said.result["instructions"])

        assert await told("/mcp") == "one: Be kind.\n\ntwo: Be brief."
        assert await told("/mcp/one") == "Be kind."
