"""The processes of a run: fixtures, a gateway before them, the shim. Each ends with its block."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2

from doorward.config.settings import Server
from tests.conformance.suite import ROOT
from tests.e2e.support.gateway import Gateway
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens, wait_until
from tests.e2e.support.raw import headers, request

# What a server may ask of the client has to be granted; configurations of before do not know the key.
MAY_ASK: Final[dict[str, Any]] = (
    {"may_ask": ["elicitation", "sampling", "roots"]} if "may_ask" in Server.model_fields else {}
)
EVERYTHING: Final = {
    "servers": ["*"],
    "tools": {"allow": ["*"]},
    "resources": {"allow": ["*"]},
    "prompts": {"allow": ["*"]},
}
START_S: Final = 60.0


def module(name: str, *arguments: str) -> list[str]:
    """A module of ours as a command that works from any folder."""
    start = f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv[0] = {name!r}; "
    return [sys.executable, "-c", start + f"runpy.run_module({name!r}, run_name='__main__')", *arguments]


@contextmanager
def fixture(folder: Path, era: str, label: str) -> Iterator[str]:
    """A fixture; its URL."""
    port = free_port()
    command = module("tests.conformance.fixture", str(port), era, label)
    with child(command, folder / f"{label}.log") as process:
        process.wait_until(lambda: listens(port), f"fixture {label} listens", START_S)
        yield f"http://{LOOPBACK}:{port}/mcp"


@contextmanager
def shim(folder: Path, upstream: str, server: str) -> Iterator[str]:
    """The aggregate endpoint of `upstream` under one server's own names; its URL."""
    port = free_port()
    command = module("tests.conformance.shim", str(port), upstream, server)
    with child(command, folder / "shim.log") as process:
        process.wait_until(lambda: listens(port), "the shim listens", START_S)
        yield f"http://{LOOPBACK}:{port}/mcp"


def config(servers: Mapping[str, str]) -> dict[str, Any]:
    """`servers` (name to URL) for everybody on this machine, who may do everything: the suite has no keys."""
    return {
        "auth": "none",
        "servers": {name: {"url": url, **MAY_ASK} for name, url in servers.items()},
        "agents": {"anonymous": {"grants": [EVERYTHING]}},
    }


@contextmanager
def gateway(folder: Path, servers: Mapping[str, str]) -> Iterator[Gateway]:
    """Doorward in front of `servers`, once it knows what all of them offer."""
    made = Gateway(folder, config(servers))
    try:
        made.start(settled=False)
        for name in servers:
            offers = partial(_offers, made, name)
            wait_until(offers, f"{name} is there", START_S, made.process.said)
        yield made
    finally:
        made.sweep()


def _offers(made: Gateway, server: str) -> bool:
    method = "tools/list"
    body = request("ready", method, {})
    fields = {name: value for name, value in headers("", method).items() if name != "Authorization"}
    answer = httpx2.post(f"{made.url}/mcp/{server}", json=body, headers=fields, timeout=30)
    return bool(answer.json().get("result", {}).get("tools"))


@contextmanager
def several(folder: Path, eras: Mapping[str, str]) -> Iterator[Gateway]:
    """A gateway in front of a fixture for each name, of the era given."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        urls = {name: stack.enter_context(fixture(folder, era, name)) for name, era in eras.items()}
        yield stack.enter_context(gateway(folder, urls))
