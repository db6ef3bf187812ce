"""The scripted agents: the official SDK's client, twice for each agent, once for each protocol era.

A process of its own, as an agent is: it gets URL, keys and the rules' lines as one JSON object on stdin,
tells its story on stdout, and leaves a transcript of its calls for the comparison with the audit log.
Exit code 0 when everything came out as `script.py` expects, else 1.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from doorward.demo.script import ACTS, ERAS, HIDDEN_FROM_ALL, VISIBLE, Act, End, Step
from doorward.demo.terminal import answered, asked, heading, say, styled, verdict, words
from doorward.demo.told import Told, tell

_TIMEOUT_S: Final = 10.0

Clients = Mapping[tuple[str, str], Client]


@dataclass(frozen=True)
class Brief:
    """What the agents are told. `lines` has the line of each rule, `pause` is in seconds."""

    url: str
    keys: dict[str, str]
    lines: dict[str, int]
    transcript: str
    pause: float


@dataclass(frozen=True)
class Made:
    """A call that was made, and what its audit record has to say."""

    revision: str
    agent: str
    tool: str
    effect: str
    line: int | None
    decision_id: str | None
    as_expected: bool


async def perform(brief: Brief) -> tuple[bool, list[Made]]:
    """All acts, in both eras: whether the lists were as expected, and the calls."""
    async with AsyncExitStack() as stack:
        clients = {
            (mode, agent): await _connect(stack, brief, mode, agent) for mode in ERAS for agent in VISIBLE
        }
        return await act_all(clients, brief.lines, pause=brief.pause)


async def act_all(clients: Clients, lines: Mapping[str, int], *, pause: float) -> tuple[bool, list[Made]]:
    """The lists and all acts. `clients` has one for each mode and agent."""
    good = await _lists(clients)
    made: list[Made] = []
    for number, act in enumerate(ACTS, 2):
        await asyncio.sleep(pause)
        made += await _act(number, act, clients, lines)
    return good, made


async def _connect(stack: AsyncExitStack, brief: Brief, mode: str, agent: str) -> Client:
    headers = {"Authorization": f"Bearer {brief.keys[agent]}"}
    http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=_TIMEOUT_S))
    transport = streamable_http_client(f"{brief.url}/mcp", http_client=http)
    return await stack.enter_async_context(Client(transport, mode=mode, read_timeout_seconds=_TIMEOUT_S))


async def _lists(clients: Clients) -> bool:
    heading(1, "Each agent sees its own tools")
    good = []
    for agent, wanted in VISIBLE.items():
        seen = {
            revision: sorted(tool.name for tool in (await clients[mode, agent].list_tools()).tools)
            for mode, revision in ERAS.items()
        }
        asked(agent, "list tools")
        for names in {tuple(names): None for names in seen.values()}:
            answered(by_server(names))
        right = all(names == sorted(wanted) for names in seen.values())
        good.append(right)
        if not right:
            verdict(f"expected {by_server(wanted)}; got {seen}", good=False)
    words(f"Nobody sees {' or '.join(HIDDEN_FROM_ALL)}: no grant, or a rule against it.")
    _close(all(good), {revision: clients[mode, "clerk"].protocol_version for mode, revision in ERAS.items()})
    return all(good)


async def _act(number: int, act: Act, clients: Clients, lines: Mapping[str, int]) -> list[Made]:
    heading(number, act.title)
    words(act.point)
    made: list[Made] = []
    for step in act.steps:
        asked(step.agent, f"{step.tool} {arguments(step.arguments)}")
        shown: set[str] = set()
        for mode, revision in ERAS.items():
            told = await _call(clients[mode, step.agent], step)
            good = _as_expected(step, told, lines)
            if told.text not in shown:
                answered(told.text, {End.ANSWER: "green", End.DENIAL: "red", End.UNKNOWN: "dim"}[told.end])
                shown.add(told.text)
            if not good:
                verdict(f"{revision}: expected {step.end.value} with {step.says!r}, got {told}", good=False)
            made.append(_made(revision, step, told, lines, good=good))
    _close(all(one.as_expected for one in made), {revision: revision for revision in ERAS.values()})
    return made


async def _call(client: Client, step: Step) -> Told:
    try:
        return tell(await client.call_tool(step.tool, step.arguments))
    except MCPError as error:
        return Told(
            End.UNKNOWN if error.code == -32602 else End.DENIAL, f"error {error.code}: {error.message}"
        )


def _as_expected(step: Step, told: Told, lines: Mapping[str, int]) -> bool:
    if step.end is End.UNKNOWN:
        # Word for word what a tool that nobody has gets: no hint that there is one.
        return told == Told(End.UNKNOWN, "error -32602: Unknown tool")
    at = f":{lines[step.rule]}" if step.rule else ""
    return told.end is step.end and step.says in told.text and at in told.text


def _made(revision: str, step: Step, told: Told, lines: Mapping[str, int], *, good: bool) -> Made:
    line = lines[step.rule] if step.rule else None
    return Made(revision, step.agent, step.tool, step.effect, line, told.decision_id, good)


def _close(good: bool, eras: Mapping[str, str]) -> None:
    if any(revision != agreed for revision, agreed in eras.items()):
        good = False
    verdict(
        f"the same in both eras: MCP {' and '.join(eras.values())}" if good else "not as expected", good=good
    )


def arguments(values: Mapping[str, Any]) -> str:
    """`query="a" limit=3`."""
    return " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in values.items())


def by_server(names: Sequence[str]) -> str:
    """`crm: find_customers, get_customer · files: read_file`."""
    servers: dict[str, list[str]] = {}
    for name in names:
        server, _, tool = name.partition("__")
        servers.setdefault(server, []).append(tool)
    return "  ·  ".join(f"{server}: {', '.join(tools)}" for server, tools in servers.items())


def main() -> int:
    """Reads its brief from stdin."""
    brief = Brief(**json.load(sys.stdin))
    try:
        good, made = asyncio.run(perform(brief))
    except MCPError as error:
        say(f"     {styled('red', '✗')} the gateway answered with error {error.code}: {error.message}")
        return 1
    Path(brief.transcript).write_text(json.dumps([asdict(one) for one in made]), encoding="utf-8")
    return 0 if good and all(one.as_expected for one in made) else 1


if __name__ == "__main__":
    sys.exit(main())
