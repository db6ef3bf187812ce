"""Real clients at servers that others wrote: npm's server-everything, the TypeScript SDK's own example."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from tests.e2e.support.actors import CLIENTS, NODE, Client
from tests.e2e.support.gateway import Gateway, running
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens
from tests.e2e.support.servers import everything, node, node_modules

Json = dict[str, Any]
Told = Callable[[Client], dict[str, Json]]

FEATURES = "demo://resource/static/document/features.md"
GREETINGS = "https://example.com/greetings/default"
PATHS = ("/mcp/{server}", "/mcp")
EVERYTHING: Json = {
    "calls": {
        "add": ["echo", {"message": "grüß dich"}],
        "fail": ["get-resource-reference", {"resourceType": "Text", "resourceId": -1}],
        "slow": ["trigger-long-running-operation", {"duration": 0.3, "steps": 3}],
    },
    "prompt": ["args-prompt", {"city": "Oslo"}],
    "complete": ["completable-prompt", {"name": "department", "value": "E"}],
    "refused": {"hidden tool": ["call", "get-env", {}], "unknown tool": ["call", "nothing", {}]},
}
SAID_BY_EVERYTHING: Json = {
    "add": {"text": "Echo: grüß dich"},
    "progress": [[1, 3], [2, 3], [3, 3]],
    "prompt": ["What's weather in Oslo?"],
    "complete": ["Engineering"],
}
EXAMPLE: Json = {
    "calls": {"add": ["greet", {"name": "Anna"}]},
    "prompt": ["greeting-template", {"name": "Anna"}],
    "refused": {"hidden tool": ["call", "list-files", {}], "unknown tool": ["call", "nothing", {}]},
}
SAID_BY_EXAMPLE: Json = {
    "add": {"text": "Hello, Anna!"},
    "prompt": ["Please greet Anna in a friendly manner."],
}
SERVERS = {
    "every-stdio": (EVERYTHING, SAID_BY_EVERYTHING, FEATURES),
    "every-http": (EVERYTHING, SAID_BY_EVERYTHING, FEATURES),
    "example": (EXAMPLE, SAID_BY_EXAMPLE, GREETINGS),
}
UNKNOWN = {"refusal": {"code": -32602, "message": "Unknown tool"}, "alive": True}


def grants() -> list[Json]:
    allowed = [*(name for name, _ in EVERYTHING["calls"].values()), "greet"]
    prompts = [EVERYTHING["prompt"][0], EVERYTHING["complete"][0], EXAMPLE["prompt"][0]]
    resources = ["demo://resource/static/*", GREETINGS]
    return [
        {
            "servers": sorted(SERVERS),
            "tools": {"allow": allowed},
            "prompts": {"allow": prompts},
            "resources": {"allow": resources},
        }
    ]


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder, official = tmp_path_factory.mktemp("strangers"), node_modules() / "@modelcontextprotocol"
    # Both listen on every interface unless they are kept from it.
    kept = [node(), "--import", str(NODE / "loopback.mjs")]
    over_http = {
        "every-http": ([*kept, str(official / "server-everything/dist/index.js"), "streamableHttp"], "PORT"),
        "example": (
            [*kept, str(official / "sdk/dist/esm/examples/server/simpleStreamableHttp.js")],
            "MCP_PORT",
        ),
    }
    with ExitStack() as stack:
        entries: dict[str, Json] = {"every-stdio": {"command": everything()}}
        listening = []
        for name, (command, variable) in over_http.items():
            port = free_port()
            started = stack.enter_context(child(command, folder / f"{name}.log", {variable: str(port)}))
            entries[name] = {"url": f"http://{LOOPBACK}:{port}/mcp"}
            listening.append((started, port))
        for started, port in listening:
            started.wait_until(lambda port=port: listens(port), "the server listens")  # type: ignore[misc]
        config = {"servers": entries, "agents": {"user": {"grants": grants()}}}
        yield stack.enter_context(running(folder, config))


def target(gw: Gateway, server: str, path: str) -> Json:
    parts, _, uri = SERVERS[server]
    p, u = (f"{server}__", f"{server}+") if path == "/mcp" else ("", "")
    made: Json = {
        "id": f"{server} {path}",
        "server": server,
        "url": gw.url + path.format(server=server),
        "key": gw.key("user"),
        "calls": {step: [p + name, given] for step, (name, given) in parts["calls"].items()},
        "prefixes": {"name": p, "uri": u},
        "lists": {"tools": "name", "prompts": "name", "resources": "uri"},
        "reads": {"text": u + uri},
        "prompt": [p + parts["prompt"][0], parts["prompt"][1]],
        "refused": {
            label: [kind, p + name, given] for label, (kind, name, given) in parts["refused"].items()
        },
    }
    if "complete" in parts:
        made["complete"] = [{"type": "ref/prompt", "name": p + parts["complete"][0]}, parts["complete"][1]]
    return made


@pytest.fixture(scope="module")
def told(gw: Gateway) -> Told:
    """What a client has seen, by the id of the target; told once."""
    targets = [target(gw, server, path) for server in SERVERS for path in PATHS]

    @cache
    def tell(client: Client) -> dict[str, Json]:
        done = subprocess.run(
            client.command(),
            input=json.dumps(targets),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return {line["id"]: line for line in map(json.loads, done.stdout.splitlines())}

    return tell


@pytest.mark.parametrize("path", PATHS, ids=("alone", "together"))
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_round_at_a_stranger(told: Told, client: Client, server: str, path: str) -> None:
    line = told(client)[f"{server} {path}"]
    assert "failed" not in line, line["failed"]

    parts, said, uri = SERVERS[server]
    p, u = (f"{server}__", f"{server}+") if path == "/mcp" else ("", "")
    seen = line["seen"]
    assert {step: seen[step] for step in said} == said
    assert seen["tools"] == sorted(p + name for name, _ in parts["calls"].values())
    assert p + parts["prompt"][0] in seen["prompts"]
    assert u + uri in seen["resources"]
    assert seen["text"][0][0] == u + uri
    assert seen["text"][0][1]
    assert seen["refused hidden tool"] == seen["refused unknown tool"] == UNKNOWN
    if "fail" in parts["calls"]:
        assert seen["fail"]["error"]
