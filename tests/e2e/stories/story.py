"""The everyday round of a client, told by what it sees: one story for every client in Python.

A client is an adapter with the methods of `Client`; what it returns are results as they stand on the wire.
The round is told into a dict of plain values that the test compares with `tests/e2e/support/rounds.py`. A
step is told only when the target has it, so that servers with less to offer need no story of their own.
story.mjs is the same in JavaScript: what changes here changes there.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

Json = dict[str, Any]
Running = Callable[[], Awaitable[bool]]
"""Returns when what was called runs at the server, or after a while."""

WAIT_S = 8.0
SAYINGS = 7
"""Seconds: of a process that callers share nothing is handed on for a while after a call was cancelled."""


class Refused(Exception):
    """A JSON-RPC error, or what an SDK makes of it."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Client(Protocol):
    """What the story needs of an SDK."""

    version: str
    heard: list[str]  # "tools" for list_changed, the URI of an updated resource
    logged: list[str]  # the data of log messages
    legacy: bool
    listens: bool
    logs: bool

    async def call(self, name: str, arguments: Json, progress: Callable[..., Any] | None = None) -> Json: ...
    async def cancel(self, name: str, running: Running) -> None:
        """Calls the tool and cancels the call when `running` has returned."""

    async def listed(self, what: str) -> list[Json]:
        """All of `tools`, `prompts`, `resources`, `templates`."""

    async def read(self, uri: str) -> Json: ...
    async def prompt(self, name: str, arguments: Json) -> Json: ...
    async def complete(self, ref: Json, argument: Json) -> Json: ...
    async def level(self, level: str) -> None: ...
    async def ping(self) -> None: ...
    async def subscribe(self, uri: str) -> None: ...
    def listening(self, uri: str) -> AbstractAsyncContextManager[None]:
        """Hears of the tools and of this resource, in the way of the era."""


Connect = Callable[[Json], AbstractAsyncContextManager[Client]]


def plain(result: Json) -> Json:
    """What of a result of tools/call the test compares."""
    said = "\n".join(part["text"] for part in result.get("content", ()) if part["type"] == "text")
    denial = (result.get("_meta") or {}).get("dev.doorward/denial")
    if denial is not None:
        return {"denied": denial["reason"], "error": result.get("isError")}
    structured = result.get("structuredContent")
    if structured is not None and structured != {"result": said}:  # which some servers make of a bare text
        return {"structured": structured}
    return {"text": said, "error": True} if result.get("isError") else {"text": said}


async def outcome(doing: Awaitable[Any], shown: Callable[[Any], Any] = plain) -> Any:
    """What came of it: a result, a refusal, or the loss of more than one message."""
    try:
        return shown(await doing)
    except Refused as refused:
        told: Json = {"code": refused.code, "message": str(refused)}
        if isinstance(refused.data, dict) and "reason" in refused.data:
            told["reason"] = refused.data["reason"]
        return told
    except Exception as problem:  # noqa: BLE001 - whatever else an SDK raises is what the test wants to see
        return {"lost": f"{type(problem).__name__}: {problem}"}


async def eventually(true: Callable[[], Awaitable[bool]], within: float = WAIT_S) -> bool:
    for _ in range(round(within / 0.05)):
        if await true():
            return True
        await asyncio.sleep(0.05)
    return False


class Round:
    """One client at one target."""

    def __init__(self, client: Client, target: Json) -> None:
        self.client = client
        self.target = target
        self.calls: dict[str, list[Any]] = target["calls"]
        self.seen: Json = {}

    async def tell(self) -> Json:
        self.seen["version"] = self.client.version
        await self.lists()
        for name in ("add", "fail", "ask_name", "ask_model", "ask_roots"):
            if name in self.calls:
                self.seen[name] = await outcome(self.call(name))
        await self.reads()
        await self.reports()
        await self.cancels()
        await self.hears()
        await self.is_refused()
        if self.client.legacy:
            self.seen["ping"] = await outcome(self.client.ping(), lambda _: "pong")
        return self.seen

    async def call(self, name: str, progress: Callable[..., Any] | None = None) -> Json:
        tool, arguments = self.calls[name]
        return await self.client.call(tool, arguments, progress)

    async def names(self) -> list[str]:
        return await self.mine("tools", "name")

    async def mine(self, what: str, key: str) -> list[str]:
        """Among other servers, those of the target are known by what their names begin with."""
        every = [one[key] for one in await self.client.listed(what)]
        return sorted(one for one in every if one.startswith(self.target["prefixes"][key]))

    async def lists(self) -> None:
        for what, key in self.target["lists"].items():
            self.seen[what] = await outcome(self.mine(what, key), lambda found: found)

    async def reads(self) -> None:
        for name, uri in self.target.get("reads", {}).items():
            self.seen[name] = await outcome(
                self.client.read(uri),
                lambda result: [
                    [one["uri"], one.get("text") or one.get("blob")] for one in result["contents"]
                ],
            )
        if "prompt" in self.target:
            self.seen["prompt"] = await outcome(
                self.client.prompt(*self.target["prompt"]),
                lambda result: [one["content"]["text"] for one in result["messages"]],
            )
        if "complete" in self.target:
            self.seen["complete"] = await outcome(
                self.client.complete(*self.target["complete"]), lambda result: result["completion"]["values"]
            )

    async def reports(self) -> None:
        """Progress, and log messages from the level on that was set."""
        if "slow" in self.calls:
            steps: list[Any] = []

            async def note(progress: float, total: float | None, message: str | None) -> None:
                steps.append([progress, total])

            self.seen["slow"] = await outcome(self.call("slow", note))
            self.seen["progress"] = steps
        if "say" in self.calls and self.client.logs:
            await self.client.level("info")
            for _ in range(SAYINGS):
                self.seen["say"] = await outcome(self.call("say"))
                if await eventually(self.has_logged, 1.0):
                    break
            # fastmcp's servers say {"msg": ..., "extra": ...} where others say the bare text.
            self.seen["logged"] = [one["msg"] if isinstance(one, dict) else one for one in self.client.logged]

    async def has_logged(self) -> bool:
        return bool(self.client.logged)

    async def cancels(self) -> None:
        """The server hears of it; nobody waits for an answer."""
        if "hang" not in self.calls:
            return

        async def count() -> list[str]:
            return str(plain(await self.call("cancellations"))["text"]).split(", ")

        begun, cancelled = await count()

        async def runs() -> bool:
            return (await count())[0] != begun

        async def known() -> bool:
            return (await count())[1] != cancelled

        await self.client.cancel(self.calls["hang"][0], lambda: eventually(runs))
        self.seen["cancelled"] = await eventually(known)

    async def hears(self) -> None:
        """list_changed and updated, of what this client caused itself."""
        uri = self.target.get("watched")
        if "grow" not in self.calls or not self.client.listens:
            return
        async with self.client.listening(uri):
            if uri is not None:
                await self.call("touch")
                self.seen["updated"] = await eventually(lambda: self.has_heard(uri))
            before = await self.names()
            self.client.heard.clear()
            await self.call("grow")
            self.seen["list_changed"] = await eventually(lambda: self.has_heard("tools"))
            changed: set[str] = set()

            async def listed() -> bool:
                changed.update(set(before) ^ set(await self.names()))
                return bool(changed)

            await eventually(listed)
            self.seen["grown"] = sorted(changed)

    async def has_heard(self, what: str) -> bool:
        return what in self.client.heard

    async def is_refused(self) -> None:
        """After each refusal an ordinary call goes through on the same session."""
        for label, (kind, *rest) in self.target.get("refused", {}).items():
            ways: dict[str, Callable[..., Awaitable[Any]]] = {
                "call": self.client.call,
                "read": self.client.read,
                "prompt": self.client.prompt,
                "complete": self.client.complete,
                "subscribe": self.client.subscribe,
            }
            if kind == "subscribe" and not self.client.legacy:
                continue
            if rest and rest[-1] == {"large": True}:
                rest[-1] = {"a": "x" * 5_000_000, "b": 1}
            elif rest and rest[-1] == {"deep": True}:
                rest[-1] = {"a": deep(200), "b": 1}
            refusal = await outcome(ways[kind](*rest), plain if kind == "call" else lambda result: result)
            alive = await outcome(self.call("add"))
            self.seen[f"refused {label}"] = {"refusal": refusal, "alive": alive == self.seen["add"]}
            if alive != self.seen["add"]:
                self.seen[f"refused {label}"]["then"] = alive


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


async def one_server(connect: Connect, targets: list[Json]) -> AsyncIterator[Json]:
    for target in targets:
        try:
            async with asyncio.timeout(90), connect(target) as client:
                told = Round(client, target)
                try:
                    yield {"id": target["id"], "seen": await told.tell()}
                except Exception as problem:
                    problem.add_note(json.dumps(told.seen))
                    raise
        except Exception as problem:  # noqa: BLE001 - the test says what went wrong, target by target
            yield {"id": target["id"], "failed": describe(problem)}


def describe(problem: BaseException) -> str:
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    notes = " | ".join(getattr(problem, "__notes__", ()))
    return f"{type(problem).__name__}: {problem} {notes}"


async def every_server(connect: Connect, targets: list[Json]) -> None:
    """Servers side by side; rounds of one server in turn, for what it counts is the story's own."""

    async def line(server: str) -> None:
        async for told in one_server(connect, [one for one in targets if one["server"] == server]):
            print(json.dumps(told), flush=True)  # noqa: T201 - the report

    async with asyncio.TaskGroup() as group:
        for server in dict.fromkeys(target["server"] for target in targets):
            group.create_task(line(server))


def main(connect: Connect) -> None:
    """Reads targets as JSON from stdin and prints a line for each, in no particular order."""
    asyncio.run(every_server(connect, json.load(sys.stdin)))
