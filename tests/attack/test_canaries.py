"""What a caller says of itself stays here: no field of its requests, no credential and nothing of our own
environment reaches a server, whatever carries the call there."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from doorward.app import keys as key_commands
from doorward.app.process import Process
from doorward.config.load import Loaded, load
from doorward.control.keys import Wanted
from tests.attack.hostile_server import http
from tests.attack.hostile_stream import StreamLab
from tests.attack.players import PLAYER
from tests.spec.peers import LATEST, MODERN, Asked, Json, Peer, serving
from tests.spec.world import Client

pytestmark = pytest.mark.asyncio
CANARY = "canary-7f3a"
FIELDS = {
    name: f"{CANARY}-{number}"
    for number, name in enumerate(
        [
            *("Cookie", "DPoP", "Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert"),
            *("X-SSL-Client-Cert", "Proxy-Authenticate", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token"),
            *("X-Amz-Security-Token", "X-Request-Id", "X-Correlation-Id", "X-B3-TraceId", "Traceparent"),
            *("Tracestate", "Baggage", "User-Agent", "Referer", "From", "Accept-Language", "Via"),
            *("Max-Forwards", "Pragma", "Cache-Control", "If-None-Match", "Last-Event-ID", "Priority"),
            *("Sec-Fetch-Site", "X-Http-Method-Override", "X-Custom", "X-Original-Url", "X-Rewrite-Url"),
            *("Mcp-Unknown", "Mcp-Param-Region", "Dw-Anything"),
        ]
    )
} | {
    "X-Forwarded-For": "192.0.2.99",
    "X-Forwarded-Host": f"{CANARY}.example",
    "X-Real-Ip": "192.0.2.99",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": f"/{CANARY}",
    "Origin": "http://localhost:9999",
    "Host": "localhost:4242",
}
SECRET_WORDS = (CANARY, "192.0.2.99", "localhost:9999", "localhost:4242")
ALLOWED = {
    *("host", "accept", "user-agent", "content-type", "content-length", "mcp-protocol-version"),
    *("mcp-session-id", "mcp-method", "mcp-name", "authorization", "proxy-authorization"),
}
"""Fields that a server gets: all of them are of our own making."""


class Heard:
    """Everything that a server was sent, as text."""

    def __init__(self) -> None:
        self.heads: list[dict[str, str]] = []
        self.bodies: list[str] = []


def of_peer(peer: Peer) -> Heard:
    heard = Heard()
    heard.heads = [one.headers for one in peer.seen]
    heard.bodies = [one.body.decode() for one in peer.seen]
    return heard


def of_stream(stage: StreamLab) -> Heard:
    heard = Heard()
    heard.heads = [one.headers for one in stage.seen]
    heard.bodies = [json.dumps(one.message) for one in stage.seen]
    return heard


@asynccontextmanager
async def gateway(folder: Path, servers: Json) -> AsyncIterator[tuple[Process, Callable[..., Any], str]]:
    """With keys, behind a proxy whose word counts; `client` makes a client of a revision at a path."""
    config = {
        "version": 1,
        "gateway": {
            "listen": "127.0.0.1:0",
            "state": "state",
            "trusted_proxies": ["127.0.0.1"],
            "allowed_origins": ["http://localhost:9999"],
        },
        "auth": {"keys": True},
        "servers": servers,
        "agents": {"bot": {"grants": [{"servers": ["*"], "tools": {"allow": ["*"]}}]}},
    }
    file = folder / "doorward.yaml"
    file.write_text(json.dumps(config))
    loaded = load(file)
    key = await asyncio.to_thread(_key, loaded)
    process = await Process.open(loaded)
    try:
        url = (await process.listen(lambda _: None))[0].removesuffix("/mcp")
        async with httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False) as client:

            async def make(path: str, version: str) -> Client:
                made = Client(client, path, key, version, {})
                made.fields |= FIELDS
                if version != MODERN:
                    await made.open()
                return made

            yield process, make, key
        await process.drain(1.0)
    finally:
        await process.close()


def _key(loaded: Loaded) -> str:
    with key_commands.open_keys(loaded) as keys:
        return keys.create(Wanted(agent="bot", name="k"))["key"]


def check(heard: Heard, key: str, credential: str | None) -> None:
    assert heard.bodies
    for head in heard.heads:
        assert head.keys() <= ALLOWED, head
        assert head.get("authorization") == credential
        said = json.dumps(head)
        assert not any(word in said for word in SECRET_WORDS), head
        assert key not in said
    for body in heard.bodies:
        assert CANARY not in body
        assert key not in body


async def calls(make: Callable[..., Any], server: str, **arguments: Any) -> list[Json]:
    """Of clients of both eras, at both endpoints; what was answered."""
    found = []
    for version in (LATEST, MODERN):
        for path, tool in ((f"/mcp/{server}", "echo"), ("/mcp", f"{server}__echo")):
            client = await make(path, version)
            params = {"name": tool, "arguments": arguments}
            if version == MODERN:
                params["_meta"] = {"baggage": f"a={CANARY}"}
            said = await client.ask("tools/call", params, **{"Mcp-Name": tool} if version == MODERN else {})
            found.append(said.result)
            await client.ask("tools/list")
    return found


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize("through", ["", "proxy"])
async def test_over_http(tmp_path: Path, version: str, through: str) -> None:
    peer = Peer(version)
    async with serving(peer):
        server: Json = {"url": peer.url, "auth": {"bearer": "${env:THEIRS}"}}
        if through:
            # The peer plays the proxy as well: it sees all that would go through one.
            server |= {"url": "http://127.0.0.1:1/mcp", "proxy": peer.url.removesuffix("/mcp")}
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("THEIRS", "their-token")
            async with gateway(tmp_path, {"lab": server}) as (_, make, key), asyncio.timeout(30):
                assert len(await calls(make, "lab", text="hi")) == 4
        check(of_peer(peer), key, "Bearer their-token")
        hosts = {one.headers["host"] for one in peer.seen}
        assert hosts == {"127.0.0.1:1" if through else peer.url.split("/")[2]}


async def test_over_http_and_sse(tmp_path: Path) -> None:
    stage = StreamLab()
    listener = await asyncio.start_server(stage.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/sse"
    try:
        async with gateway(tmp_path, {"lab": {"url": url}}) as (_, make, key), asyncio.timeout(30):
            assert len(await calls(make, "lab", text="hi")) == 4
    finally:
        listener.close()
        await asyncio.sleep(0.05)
    check(of_stream(stage), key, None)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_over_stdio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, era: str) -> None:
    """Neither in what a local server hears nor in the environment that it finds."""
    for name in ("AWS_SECRET_ACCESS_KEY", "DOORWARD_KEY", "HTTP_PROXY", "LD_LIBRARY_PATH", "PYTHONPATH"):
        monkeypatch.setenv(name, f"/{CANARY}")
    server = {"command": [sys.executable, "-S", "-E", PLAYER, era]}
    async with gateway(tmp_path, {"lab": server}) as (_, make, key), asyncio.timeout(40):
        told = [json.loads(one["content"][0]["text"]) for one in await calls(make, "lab", tell=1)]
    for said in told:
        assert said["heard"]
        assert CANARY not in json.dumps(said)
        assert key not in json.dumps(said)
        assert not any(word in json.dumps(said) for word in SECRET_WORDS)


async def test_what_is_renamed_has_its_fields_computed_anew(tmp_path: Path) -> None:
    """Mcp-Name, Mcp-Param-* and Content-Length are of what is sent, and not of what was asked for."""
    peer = Peer(MODERN)
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    peer.lists["tools"] = [{"name": "größe/1", "inputSchema": schema}]

    async with (
        serving(peer),
        gateway(tmp_path, {"lab": {"url": peer.url}}) as (_, make, _),
        asyncio.timeout(30),
    ):
        client = await make("/mcp", MODERN)
        (listed,) = (await client.ask("tools/list")).result["tools"]
        params = {"name": listed["name"], "arguments": {"region": "nördlich"}}
        encoded = {"Mcp-Name": listed["name"], "Mcp-Param-Region": "=?base64?bsO2cmRsaWNo?="}
        said = await client.ask("tools/call", params, **encoded)
        assert "result" in said.message, said.message
        sent = peer.last()

        assert sent.params["name"] == "größe/1"
        assert sent.headers["mcp-name"] == "=?base64?Z3LDtsOfZS8x?="
        assert sent.headers["mcp-param-region"] == "=?base64?bsO2cmRsaWNo?="
        assert sent.headers["mcp-method"] == "tools/call"
        assert int(sent.headers["content-length"]) == len(sent.body)

        wrong = await client.ask(
            "tools/call", params, **encoded | {"Mcp-Param-Region": "s\u00fcd".encode().hex()}
        )
        assert wrong.error == (400, -32020)
        assert len(peer.asked("tools/call")) == 1


SPELLED = {
    '{"n":1.0}': '{"n":1.0}',
    '{"n":12345678901234567890123}': '{"n":12345678901234567890123}',
    '{"n":-0.0,"m":5e-324}': '{"n":-0.0,"m":5e-324}',
    '{ "n" : 1.10 }': '{"n":1.1}',
    '{"n":0.10000000000000001}': '{"n":0.1}',
    '{"n":"\\u00e9\\ud83d\\ude00\\u0000\\/"}': None,
    '{"n":"\u2028<\\/script>"}': None,
    '{"b":1,"a":{"d":1,"c":2}}': '{"b":1,"a":{"d":1,"c":2}}',
    '{"n":1,"n":2}': "refused",
    '{"n":1,"\\u006e":2}': "refused",
    '{"a":{"n":1,"n":1}}': "refused",
    '{"n":1e400}': "refused",
    '{"n":1e-400}': "refused",
    '{"n":100.00000000000000000001}': "refused",
    '{"n":NaN}': "refused",
    '{"n":"\\ud800"}': "refused",
    '{"n":01}': "refused",
}
"""Arguments as a caller spells them; as they have to arrive (None: in any spelling of the same value)."""


@pytest.mark.parametrize("theirs", [LATEST, MODERN])
@pytest.mark.parametrize("size", [0, 40_000])
async def test_what_is_judged_is_what_arrives_or_nothing_does(tmp_path: Path, theirs: str, size: int) -> None:
    """In both eras, at both endpoints, small and large; a second time too, when the spelling is known."""
    peer = Peer(theirs)

    def answers(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(http(200, asked.result({"content": [], "resultType": "complete"})))

    peer.acts["tools/call"] = answers
    async with (
        serving(peer),
        gateway(tmp_path, {"lab": {"url": peer.url}}) as (_, make, _),
        asyncio.timeout(60),
    ):
        for version in (LATEST, MODERN):
            for path, tool in (("/mcp/lab", "echo"), ("/mcp", "lab__echo")):
                client = await make(path, version)
                for text in SPELLED:
                    for _ in range(2):
                        await one_call(client, peer, tool, text, "x" * size)


async def one_call(client: Client, peer: Peer, tool: str, text: str, blob: str) -> None:
    expected = SPELLED[text]
    padded = text[:-1].rstrip() + f',"blob":"{blob}"}}' if blob else text
    message = client.message("tools/call", {"name": tool, "arguments": "HERE"})
    body = json.dumps(message, ensure_ascii=False).replace('"HERE"', padded).encode()
    before = len(peer.asked("tools/call"))
    said = await client.post(body, client.heads(message))
    if expected == "refused":
        assert said.message["error"]["code"] in (-32600, -32700), text
        assert said.status == 400 or not client.modern, text
        assert len(peer.asked("tools/call")) == before, text
        return
    assert "result" in said.message, (text, said.message)
    sent = peer.last().body.decode()
    assert len(peer.asked("tools/call")) == before + 1
    arrived = json.loads(sent)["params"]["arguments"]
    given = json.loads(padded)
    assert (arrived, repr(arrived)) == (given, repr(given)), text
    if expected is not None and not blob:
        assert f'"arguments":{expected}' in sent, text
    assert int(peer.last().headers["content-length"]) == len(peer.last().body)
