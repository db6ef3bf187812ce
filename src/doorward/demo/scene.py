"""The stage: a temporary folder with configuration and data, two servers, two keys, a running gateway."""

import asyncio
import json
import shutil
import socket
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doorward.demo.children import Broken, child, output_of, python
from doorward.demo.script import VISIBLE

LOOPBACK: Final = "127.0.0.1"
CONFIG_NAME: Final = "doorward.yaml"
_READY_S: Final = 15.0
_LOG_LINES: Final = 15

CONFIG: Final = """\
version: 1
gateway:
  listen: {loopback}:{gateway_port}
  state: state

servers:
  crm:                                  # a server that runs already, over HTTP
    url: http://{loopback}:{crm_port}/mcp
  files:                                # a program that Doorward starts, over stdio
    command: [{python}, -m, doorward.demo.servers.files, documents]

agents:
  analyst:                              # reads a few customers at a time, and documents
    see_rules: true
    grants:
      - servers: [crm]
        tools: {{ allow: [find_customers] }}
        when:
          arguments.limit: {{ at_most: 5 }}                   # rule: limit
      - servers: [crm]
        tools:
          allow: [get_customer]
          deny: ["delete_*"]                                # rule: analyst never deletes
      - servers: [files]
        tools: {{ allow: ["list_*", "read_*"] }}
        resources: {{ allow: ["*"] }}
  clerk:                                # looks after customers, but deletes none
    see_rules: true
    grants:
      - servers: [crm]
        tools:
          allow: ["*"]
          deny: ["delete_*"]                                # rule: clerk never deletes
        prompts: {{ allow: ["*"] }}
"""

DOCUMENTS: Final = {
    "welcome.txt": "Doorward stands between agents and their tools.\n",
    "minutes.txt": "Tea at four. Carmen brings olives.\n",
}


@dataclass(frozen=True)
class Scene:
    """Where everything is. `lines` maps the rules' names to their lines in the configuration."""

    folder: Path
    gateway: str
    crm_port: int
    keys: dict[str, str]
    lines: dict[str, int]

    @property
    def config(self) -> Path:
        """The configuration that the gateway runs with."""
        return self.folder / CONFIG_NAME


@asynccontextmanager
async def folder(*, keep: bool) -> AsyncIterator[Path]:
    """A temporary folder, removed at the end unless it is kept."""
    made = Path(tempfile.mkdtemp(prefix="doorward-demo-"))
    try:
        yield made
    finally:
        if not keep:
            shutil.rmtree(made)


@asynccontextmanager
async def stage(place: Path) -> AsyncIterator[Scene]:
    """Everything running. Raises Broken when something does not start; then nothing stays behind."""
    gateway_port, crm_port = _free_ports(2)
    config = CONFIG.format(
        loopback=LOOPBACK, gateway_port=gateway_port, crm_port=crm_port, python=json.dumps(sys.executable)
    )
    (place / CONFIG_NAME).write_text(config, encoding="utf-8")
    (place / "documents").mkdir()
    for name, text in DOCUMENTS.items():
        (place / "documents" / name).write_text(text, encoding="utf-8")
    async with child(place / "crm.log", *crm_command(place, crm_port), cwd=place) as crm:
        keys = await _mint(place)

        async def crm_answers() -> bool:
            return await _status(crm_port, "/mcp") > 0

        async def gateway_is_ready() -> bool:
            return await _status(gateway_port, "/readyz") == 200

        await _until(crm_answers, crm, "the CRM", place / "crm.log")
        async with child(place / "gateway.log", *serve_command(), cwd=place) as gateway:
            await _until(gateway_is_ready, gateway, "the gateway", place / "gateway.log")
            yield Scene(place, f"http://{LOOPBACK}:{gateway_port}", crm_port, keys, rule_lines(config))


def crm_command(place: Path, port: int) -> tuple[str, ...]:
    """What starts the CRM."""
    database = str(place / "crm.sqlite3")
    return (*python("doorward.demo.servers.crm"), "--port", str(port), "--database", database)


def serve_command() -> tuple[str, ...]:
    """What starts the gateway, in the folder: then rules are named `doorward.yaml:LINE`."""
    return (*python("doorward"), "serve", "-c", CONFIG_NAME)


def rule_lines(config: str) -> dict[str, int]:
    """Line numbers, from 1, of the lines marked `# rule: NAME`."""
    marked = (line.partition("# rule: ")[2] for line in config.splitlines())
    return {name: number for number, name in enumerate(marked, 1) if name}


async def _mint(place: Path) -> dict[str, str]:
    """A key for each agent: the only moment at which its secret is seen."""
    keys = {}
    for agent in VISIBLE:
        command = (*python("doorward"), "keys", "create", "--agent", agent, "--json")
        answer = await output_of(*command, "-c", CONFIG_NAME, cwd=place)
        keys[agent] = json.loads(answer)["key"]
    return keys


async def _until(answers: Callable[[], Awaitable[bool]], process: Process, name: str, log: Path) -> None:
    try:
        async with asyncio.timeout(_READY_S):
            while not await answers():
                if process.returncode is not None:
                    raise Broken(f"{name} ended with exit code {process.returncode}\n{_tail(log)}")
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Broken(f"{name} is not ready after {_READY_S:.0f} s\n{_tail(log)}") from None


async def _status(port: int, path: str) -> int:
    """HTTP status of one GET, 0 while nobody answers."""
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return 0
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.readline()
        return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0
    except OSError:
        return 0
    finally:
        writer.close()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on. Held together while chosen, so that they differ."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
