"""No value that a caller, a server or a configuration has leaves the process but to where it belongs.

Canaries are planted in each field that somebody outside can choose, and looked for in every byte that is left
behind or shown to somebody else, in clear and in all usual disguises. What records do hold by design is not
planted: names of tools, URIs, methods and top-level arguments, request ids, and a client's name and version
(audit-records.md).
"""

import asyncio
import base64
import gzip
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.attack.canaries import files, planted, seen
from tests.attack.hostile_server import http
from tests.e2e.support.gateway import Gateway
from tests.spec.peers import LATEST, MODERN, Asked, Json, Peer, serving
from tests.spec.world import Client

pytestmark = pytest.mark.asyncio
LEAKY = str(Path(__file__).with_name("leaky_server.py"))
OF_CALLERS = planted(
    "argument nested_name nested_value listed_value large_value denied_value unknown_tool_value prompt_value "
    "completion_value meta_name meta_value baggage client_extra client_title capability cookie api_key "
    "forwarded query bad_token basic_token bad_session last_event malformed params_extra path note_value "
    "batch_value referer proxy_token level answer_value"
)
OF_SERVERS = planted(
    "stderr message data noise log progress result info description body challenge structured"
)
OF_CONFIG = planted("bearer literal box_token")
FOR_OPERATORS = {"stderr", "noise", "box_token", "challenge"}
"""Of a server that is down, `doorward status` shows what it said last, whatever that is; /readyz does not."""
FIELDS = {
    "Cookie": f"session={OF_CALLERS['cookie']}",
    "X-Api-Key": OF_CALLERS["api_key"],
    "X-Forwarded-For": OF_CALLERS["forwarded"],
    "Referer": f"http://x/{OF_CALLERS['referer']}",
    "Proxy-Authorization": f"Bearer {OF_CALLERS['proxy_token']}",
    "Last-Event-ID": OF_CALLERS["last_event"],
}


def config(peer: Peer) -> Json:
    allowed = {"grants": [{"servers": ["*"], "tools": {"allow": ["echo"]}, "prompts": {"allow": ["*"]}}]}
    box = {
        "command": [sys.executable, "-S", LEAKY],
        "env": {"SPILL": "${env:SPILL}", "BOX_TOKEN": "${env:BOX}"},
    }
    return {
        "auth": {"keys": True},
        "servers": {
            "lab": {"url": peer.url, "auth": {"bearer": "${env:BEARER}"}},
            "other": {"url": peer.url, "auth": {"headers": {"X-Their-Key": OF_CONFIG["literal"]}}},
            "box": box,
        },
        "agents": {"bot": allowed, "stranger": allowed},
    }


def answers(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """What a server says that does not keep anything to itself."""
    words = OF_SERVERS
    how = asked.params["arguments"].get("how")
    if how == "error":
        writer.write(http(200, asked.error(-32000, words["message"], {"why": words["data"]})))
    elif how == "status":
        challenge = f'WWW-Authenticate: Bearer realm="{words["challenge"]}"\r\n'
        writer.write(http(401, words["body"].encode(), extra=challenge))
    elif how == "broken":
        writer.write(http(500, words["body"].encode()))
    elif how == "noise":
        writer.write(http(200, words["noise"].encode()))
    else:
        said = {"content": [{"type": "text", "text": words["result"]}], "isError": how == "fails"}
        said["structuredContent"] = {"deep": [words["structured"]]}
        writer.write(http(200, asked.result(said | {"resultType": "complete"})))


@asynccontextmanager
async def gateway(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    monkeypatch.setenv("SPILL", json.dumps(OF_SERVERS))
    monkeypatch.setenv("BOX", OF_CONFIG["box_token"])
    monkeypatch.setenv("BEARER", OF_CONFIG["bearer"])
    peer = Peer(LATEST, MODERN)
    peer.capabilities |= {"completions": {}, "prompts": {}, "tools": {}}
    peer.lists |= {
        "tools": [
            {"name": "echo", "inputSchema": {"type": "object"}, "description": OF_SERVERS["description"]}
        ],
        "prompts": [{"name": "greet"}],
    }
    peer.acts["tools/call"] = answers
    async with serving(peer):
        made = Gateway(folder, config(peer))
        try:
            for agent in ("bot", "stranger"):
                await asyncio.to_thread(made.key, agent)
            await asyncio.to_thread(made.start)
            yield made
        finally:
            await asyncio.to_thread(made.sweep)


async def client_of(made: Gateway, web: httpx2.AsyncClient, agent: str, version: str, path: str) -> Client:
    client = Client(
        web, path, made.key(agent), version, {"experimental": {"x": {"y": OF_CALLERS["capability"]}}}
    )
    if version != MODERN:
        info = {
            "name": "n",
            "version": "1",
            "title": OF_CALLERS["client_title"],
            "x": OF_CALLERS["client_extra"],
        }
        hello = {"protocolVersion": version, "capabilities": client.capabilities, "clientInfo": info}
        said = await client.ask("initialize", hello)
        client.fields |= {"Mcp-Session-Id": said.headers["mcp-session-id"], "MCP-Protocol-Version": version}
    client.fields |= FIELDS
    return client


async def talk(client: Client, server: str) -> None:
    """Everything that a caller can choose, said once; errors are as good as results."""
    words = OF_CALLERS
    arguments: Json = {
        "value": words["argument"],
        "deep": {words["nested_name"]: {"a": [words["nested_value"]]}},
        "list": [words["listed_value"], 1.5, None],
    }
    meta = {f"example.com/{words['meta_name']}": words["meta_value"], "baggage": f"a={words['baggage']}"}
    kinds = (None, "error", "status", "broken", "noise", "fails", "end")
    for how in kinds if client.path != "/mcp" else (None, "error"):
        tool = "echo" if client.path != "/mcp" else f"{server}__echo"
        for more in ({}, {"_meta": meta | {"progressToken": "p"}}):
            await client.ask("tools/call", {"name": tool, "arguments": arguments | {"how": how}} | more)
    large = {"value": words["large_value"] * 2000}
    await client.ask("tools/call", {"name": "echo", "arguments": large})
    await client.ask("tools/call", {"name": "drop", "arguments": {"a": words["denied_value"]}})
    await client.ask("tools/call", {"name": "none", "arguments": {"a": words["unknown_tool_value"]}})
    await client.ask("tools/call", {"name": "echo", "arguments": {}, "x": words["params_extra"]})
    await client.ask("prompts/get", {"name": "greet", "arguments": {"a": words["prompt_value"]}})
    given = {"name": "a", "value": words["completion_value"]}
    await client.ask(
        "completion/complete", {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": given}
    )
    await client.ask("logging/setLevel", {"level": words["level"]})
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"reason": words["note_value"]}}
    await client.post(note)
    await client.post({"jsonrpc": "2.0", "id": 991, "result": {"x": words["answer_value"]}})
    await client.post(
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + words["malformed"].encode()
    )
    await client.post(json.dumps([client.message("ping", {"x": words["batch_value"]})]).encode())


async def knock(web: httpx2.AsyncClient, key: str) -> list[httpx2.Response]:
    """Who is nobody: bad tokens, bad sessions, paths that there are not."""
    words, body = OF_CALLERS, b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    kind = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    bad = [
        {"Authorization": f"Bearer dw_live_AAAAAAAAAAAA_{words['bad_token']}"},
        {"Authorization": f"Bearer {words['bad_token']}"},
        {"Authorization": f"Basic {base64.b64encode(words['basic_token'].encode()).decode()}"},
        {"Authorization": f"Bearer {key}", "Mcp-Session-Id": words["bad_session"]},
        {"Mcp-Session-Id": words["bad_session"]},
    ]
    said = [await web.post("/mcp/lab", content=body, headers=kind | FIELDS | fields) for fields in bad]
    for path in (f"/mcp/lab?token={words['query']}", f"/mcp/{words['path']}", f"/{words['path']}"):
        said += [await web.post(path, content=body, headers=kind | {"Authorization": f"Bearer {key}"})]
        said += [await web.get(path, headers=kind)]
    return said


def shown(made: Gateway, *words: str) -> bytes:
    """What a command shows."""
    return made.run(*words).encode()


async def test_nothing_is_left_behind_and_nothing_is_told_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = OF_CALLERS | OF_SERVERS | OF_CONFIG
    left: dict[str, bytes] = {}
    async with gateway(tmp_path, monkeypatch) as made, asyncio.timeout(150):
        keys = {agent: made.key(agent) for agent in ("bot", "stranger")}
        for agent, key in keys.items():
            everything[f"key of {agent}"] = key.split("_")[3].lower() if key.count("_") > 2 else key.lower()
        async with httpx2.AsyncClient(base_url=made.url, timeout=30, trust_env=False) as web:
            for version in (LATEST, MODERN):
                for server in ("lab", "other", "box"):
                    await talk(await client_of(made, web, "bot", version, f"/mcp/{server}"), server)
                await talk(await client_of(made, web, "bot", version, "/mcp"), "lab")
            left |= {f"answer {n} to nobody": said.content + str(said.headers).encode()
                     for n, said in enumerate(await knock(web, keys["bot"]))}  # fmt: skip
            other = await client_of(made, web, "stranger", LATEST, "/mcp/lab")
            quiet = await other.ask("ping"), await other.ask("prompts/list"), await other.ask("nothing/here")
            left |= {f"answer {n} to another": said.body for n, said in enumerate(quiet)}
            for path in ("/readyz", "/healthz"):
                left[path] = (await web.get(path)).content
        for words in (("status", "--json"), ("audit", "tail", "-n", "100000", "--json"), ("audit", "keys"),
                      ("audit", "verify"), ("audit", "query", "since=1d", "--json"), ("secrets", "list"),
                      ("config", "validate"), ("keys", "list", "--json")):  # fmt: skip
            left[" ".join(words)] = await asyncio.to_thread(shown, made, *words)
        assert await asyncio.to_thread(made.stop) == 0
    left |= {f"state: {name}": data for name, data in files(tmp_path / "state") if name != "secrets.json"}
    left["stdout and stderr"] = (tmp_path / "gateway.log").read_bytes()

    records = [json.loads(line) for line in left["audit tail -n 100000 --json"].splitlines()]
    assert sum(record["kind"] == "decision" for record in records) > 150
    assert sum(record["kind"] == "outcome" for record in records) > 80
    assert len(left) > 30
    found = {where: seen(data, everything) for where, data in left.items()}
    found["status --json"] -= FOR_OPERATORS
    assert {where: places for where, places in found.items() if places} == {}


async def test_the_search_finds_what_it_is_for() -> None:
    word = planted("here")
    text = word["here"]
    zipped = gzip.compress(f"a{text}".encode())
    disguises: list[Any] = [
        text, text.upper(), text.encode().hex(), text[::-1], json.dumps({"a": f"x{text}"}), zipped,
        "".join(f"%{ord(letter):02X}" for letter in text), base64.b64encode(zipped).decode(),
        "".join(f"\\u{ord(letter):04x}" for letter in text), text.encode("utf-16-be"),
        hashlib.sha256(text.encode()).hexdigest(), base64.urlsafe_b64encode(text.encode()).decode(),
        *(base64.b64encode(b"x" * n + text.encode() + b"y" * m).decode() for n in range(4) for m in range(3)),
    ]  # fmt: skip
    for disguise in disguises:
        data = disguise if isinstance(disguise, bytes) else f"before {disguise} after".encode()
        assert seen(data, word) == {"here"}, disguise
    assert seen(b"canary" + b"0" * 18, word) == set()
