"""One story for each method of the protocol, told for a client of any revision and a server of either era.

A story ends well when the method does what docs/reference/methods.md says of it. One that a client's revision
does not have is refused, and no server hears of it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from doorward.wire import methods
from tests.attack.hostile_server import END, STREAM, event
from tests.spec.peers import MODERN, Asked, Json
from tests.spec.scene import full
from tests.spec.world import META, Client, Said

ASKED: Final = ("elicitation", "sampling", "roots")
CAPABILITIES: Final[Json] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {},
    "roots": {"listChanged": True},
}
QUESTIONS: Final[dict[str, Json]] = {
    "elicitation/create": {"message": "Who?", "requestedSchema": {"type": "object"}},
    "sampling/createMessage": {"messages": [], "maxTokens": 1},
    "roots/list": {},
}
RATES: Final = "doc://rates"
ALL_CHANGES: Final = {f"{kind}ListChanged": True for kind in ("tools", "prompts", "resources")}


class Talker:
    """A server that says things of its own accord, and can be made to wait."""

    def __init__(self, era: str) -> None:
        self.peer = full(era)
        self.modern = era == MODERN
        self._streams: list[tuple[asyncio.StreamWriter, Any]] = []
        self.peer.acts["GET"] = self._opened
        self.peer.acts["subscriptions/listen"] = self._opened

    async def _opened(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        if asked.method:
            ack = {
                "notifications": asked.params["notifications"],
                "_meta": {f"{META}subscriptionId": asked.id},
            }
            writer.write(event(_note("notifications/subscriptions/acknowledged", ack)))
        await writer.drain()
        self._streams.append((writer, asked.id))
        await closed(writer)

    @asynccontextmanager
    async def saying(self, method: str, params: Json | None = None) -> AsyncIterator[None]:
        """Again and again on whatever streams there are: which ones those are may be changing just now."""
        task = asyncio.create_task(self._repeat(method, params or {}))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _repeat(self, method: str, params: Json) -> None:
        while True:
            for writer, number in self._streams:
                meta = {"_meta": {f"{META}subscriptionId": number}} if self.modern else {}
                if not writer.transport.is_closing():
                    writer.write(event(_note(method, {**params, **meta})))
            await asyncio.sleep(0.1)

    def during(self, *notes: Callable[[Asked], Json]) -> None:
        """Its tool says these before it answers."""

        def act(asked: Asked, writer: asyncio.StreamWriter) -> None:
            said = b"".join(event(note(asked)) for note in notes)
            done = {"content": []} | ({"resultType": "complete"} if self.modern else {})
            writer.write(STREAM + said + event(asked.result(done)) + END)

        self.peer.acts["tools/call"] = act

    def asks(self, method: str) -> None:
        """Its tool has a question: in a request of its own, or in its result."""
        if self.modern:
            asked = {"a": {"method": method, "params": QUESTIONS[method]}}
            first = {"resultType": "input_required", "inputRequests": asked, "requestState": "s"}
            self.peer.results["tools/call"] = lambda one: (
                {"content": [{"type": "text", "text": json.dumps(one.params["inputResponses"])}]}
                if "inputResponses" in one.params
                else first
            )
            return

        async def act(asked: Asked, writer: asyncio.StreamWriter) -> None:
            question = {"jsonrpc": "2.0", "id": method, "method": method, "params": QUESTIONS[method]}
            writer.write(STREAM + event(question))
            await writer.drain()
            answer = await self.answer(method)
            text = json.dumps(answer.get("result") or answer["error"]["code"])
            writer.write(event(asked.result({"content": [{"type": "text", "text": text}]})) + END)

        self.peer.acts["tools/call"] = act

    async def answer(self, number: str) -> Json:
        """What it got for a request of its own."""
        async with asyncio.timeout(20):
            while True:
                for one in self.peer.seen:
                    if one.id == number and not one.method:
                        return one.message
                await asyncio.sleep(0.01)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Returns when the other side has hung up, which who writes is told."""
    while not writer.transport.is_closing():
        writer.write(b"3\r\n:\n\n\r\n")
        await asyncio.sleep(0.05)


def _note(method: str, params: Json) -> Json:
    return {"jsonrpc": "2.0", "method": method, "params": params}


class Stage:
    """Who speaks with whom."""

    def __init__(self, client: Client, talker: Talker) -> None:
        self.client, self.talker, self.peer = client, talker, talker.peer
        self.same = client.modern is talker.modern

    async def until(self, stream: AsyncIterator[Json], method: str) -> Json:
        async with asyncio.timeout(20):
            async for message in stream:
                if message.get("method") == method:
                    params: Json = message.get("params", {})
                    return params
        raise AssertionError(f"the stream ended before {method}")

    def call(self, **meta: Any) -> Json:
        params = {"name": "echo", "arguments": {}} | ({"_meta": meta} if meta else {})
        return self.client.message("tools/call", params)


Story = Callable[[Stage], Awaitable[None]]


async def refused(stage: Stage, method: str) -> None:
    """Of a method that the client's revision does not have, or that nobody is offered."""
    heard = len(stage.peer.asked(method))
    said = await stage.client.ask(method, {"taskId": "t", "uri": RATES, "level": "info"})
    assert said.error == (404 if stage.client.modern else 200, -32601)
    assert len(stage.peer.asked(method)) == heard


async def unheard(stage: Stage, method: str) -> None:
    """Of a notification likewise: taken, and told to nobody."""
    heard = len(stage.peer.asked(method))
    message = _note(method, {})
    said = await stage.client.post(message, stage.client.heads(message))
    assert (said.status, said.body) == (202, b"")
    assert len(stage.peer.asked(method)) == heard


async def initialize(stage: Stage) -> None:
    client = stage.client
    key = client.fields["Authorization"].removeprefix("Bearer ")
    said = await Client(client.http, client.path, key, client.version, {}).open()
    assert said.result["protocolVersion"] == stage.client.version
    assert said.result["capabilities"]["tools"]


async def discover(stage: Stage) -> None:
    said = (await stage.client.ask("server/discover")).result
    assert said["supportedVersions"] == [MODERN]
    assert said["capabilities"]["tools"]


async def ping(stage: Stage) -> None:
    assert (await stage.client.ask("ping")).result == {}
    assert stage.peer.asked("ping") == []


def lists(member: str, name: str, value: str) -> Story:
    async def story(stage: Stage) -> None:
        method = "resources/templates/list" if member == "resourceTemplates" else f"{member}/list"
        said = (await stage.client.ask(method)).result
        assert [one[name] for one in said[member]] == [value]
        assert ("ttlMs" in said) is stage.client.modern

    return story


def calls(method: str, params: Json, member: str) -> Story:
    async def story(stage: Stage) -> None:
        said: Said = await stage.client.ask(method, params)
        assert said.result[member], said.body
        assert (said.result.get("resultType") == "complete") is stage.client.modern
        sent = {name: value for name, value in stage.peer.last(method).params.items() if name != "_meta"}
        assert sent == params

    return story


async def subscribe(stage: Stage) -> None:
    async with stage.client.stream() as stream:
        assert (await stage.client.ask("resources/subscribe", {"uri": RATES})).result == {}
        async with stage.talker.saying("notifications/resources/updated", {"uri": RATES}):
            assert (await stage.until(stream, "notifications/resources/updated"))["uri"] == RATES


async def unsubscribe(stage: Stage) -> None:
    assert (await stage.client.ask("resources/unsubscribe", {"uri": RATES})).result == {}


async def listen(stage: Stage) -> None:
    wanted = {"notifications": {**ALL_CHANGES, "resourceSubscriptions": [RATES]}}
    message = stage.client.message("subscriptions/listen", wanted)
    async with stage.client.stream(message) as stream:
        ack = await stage.until(stream, "notifications/subscriptions/acknowledged")
        assert ack["notifications"]["resourceSubscriptions"] == [RATES]
        assert ack["_meta"] == {f"{META}subscriptionId": message["id"]}
        async with stage.talker.saying("notifications/resources/updated", {"uri": RATES}):
            assert (await stage.until(stream, "notifications/resources/updated"))["uri"] == RATES


def changed(kind: str, item: Json) -> Story:
    async def story(stage: Stage) -> None:
        method = f"notifications/{kind}/list_changed"
        message = None
        if stage.client.modern:
            message = stage.client.message("subscriptions/listen", {"notifications": ALL_CHANGES})
        async with stage.client.stream(message) as stream:
            if stage.client.modern:
                await stage.until(stream, "notifications/subscriptions/acknowledged")
            stage.peer.lists[kind] = [*stage.peer.lists[kind], item]
            async with stage.talker.saying(method):
                await stage.until(stream, method)
        stage.peer.lists[kind].remove(item)

    return story


async def set_level(stage: Stage) -> None:
    assert (await stage.client.ask("logging/setLevel", {"level": "warning"})).result == {}


async def logs(stage: Stage) -> None:
    """Level by session or by request; what is below it stays with us."""
    meta = {f"{META}logLevel": "warning"} if stage.client.modern else {}
    if not stage.client.modern:
        await set_level(stage)
    stage.talker.during(
        lambda _: _note("notifications/message", {"level": "info", "data": "no"}),
        lambda _: _note("notifications/message", {"level": "error", "data": "yes"}),
    )
    async with stage.client.stream(stage.call(**meta)) as stream:
        got = [one async for one in stream]
    assert [one["params"]["data"] for one in got[:-1]] == ["yes"]
    if stage.talker.modern:
        assert stage.peer.last().meta[f"{META}logLevel"] == "warning"
    else:
        assert stage.peer.last("logging/setLevel").params == {"level": "warning"}


async def progress(stage: Stage) -> None:
    stage.talker.during(
        lambda asked: _note(
            "notifications/progress", {"progressToken": asked.meta["progressToken"], "progress": 1}
        )
    )
    async with stage.client.stream(stage.call(progressToken="mine")) as stream:
        assert (await stage.until(stream, "notifications/progress"))["progressToken"] == "mine"
    assert stage.peer.last().meta["progressToken"] != "mine"


async def cancel(stage: Stage) -> None:
    """A client its call; a legacy server what it has asked."""
    await cancelled(stage)
    if not stage.client.modern:
        stage.peer.acts.pop("tools/call")
        await withdrawn(stage)


async def cancelled(stage: Stage) -> None:
    hung_up = asyncio.Event()

    async def act(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        await closed(writer)
        hung_up.set()

    stage.peer.acts["tools/call"] = act
    before = len(stage.peer.asked("tools/call"))
    message = stage.call()
    call = asyncio.create_task(stage.client.post(message, stage.client.heads(message)))
    await stage.peer.until("tools/call", before + 1)
    if stage.client.modern:
        call.cancel()
        await asyncio.wait([call])
    else:
        await stage.client.post(_note("notifications/cancelled", {"requestId": message["id"]}))
        assert (await call).message["error"]["code"] == -31003
    async with asyncio.timeout(20):
        if stage.talker.modern:
            await hung_up.wait()
        else:
            told = await stage.peer.until("notifications/cancelled")
            assert told.params["requestId"] == stage.peer.last().id


def question(method: str) -> Story:
    async def story(stage: Stage) -> None:
        stage.talker.asks(method)
        if not stage.same:
            said = await stage.client.post(message := stage.call(), stage.client.heads(message))
            too_old = not stage.client.modern and method not in methods.TABLES[stage.client.version]
            reason = "capability_missing" if too_old else "bridge_unsupported"
            assert (said.reason, said.message["error"]["data"]["server"]) == (reason, "lab")
        elif stage.client.modern:
            await _again(stage, method)
        else:
            await _answered(stage, method)

    return story


async def _again(stage: Stage, method: str) -> None:
    first = (await stage.client.call()).result
    assert first["inputRequests"] == {"a": {"method": method, "params": QUESTIONS[method]}}
    params = {"name": "echo", "arguments": {}, "requestState": first["requestState"]}
    said = await stage.client.ask("tools/call", params | {"inputResponses": {"a": {"action": "accept"}}})
    assert json.loads(said.result["content"][0]["text"]) == {"a": {"action": "accept"}}


async def _answered(stage: Stage, method: str) -> None:
    if method not in methods.TABLES[stage.client.version]:  # no client of it could answer
        said = await stage.client.call()
        assert said.result["content"][0]["text"] == "-32601"
        return
    async with stage.client.stream(stage.call()) as stream:
        asked = await anext(stream)
        assert (asked["method"], asked["params"]) == (method, QUESTIONS[method])
        await stage.client.post({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept"}})
        said = (await anext(stream))["result"]
    assert json.loads(said["content"][0]["text"]) == {"action": "accept"}


async def withdrawn(stage: Stage) -> None:
    """A server takes its question back: only a legacy one asks so, and only a legacy client is asked."""
    if not stage.same:
        return

    async def act(asked: Asked, writer: asyncio.StreamWriter) -> None:
        question = {"jsonrpc": "2.0", "id": "w", "method": "roots/list", "params": {}}
        writer.write(STREAM + event(question))
        await writer.drain()
        await asked_once.wait()
        writer.write(event(_note("notifications/cancelled", {"requestId": "w"})))
        writer.write(event(asked.result({"content": []})) + END)

    asked_once = asyncio.Event()
    stage.peer.acts["tools/call"] = act
    async with stage.client.stream(stage.call()) as stream:
        question = await anext(stream)
        asked_once.set()
        told = await stage.until(stream, "notifications/cancelled")
        assert told["requestId"] == question["id"]


async def completed(stage: Stage) -> None:
    """That a URL was visited, said by the server that had asked."""
    if not stage.same:
        return

    async def act(asked: Asked, writer: asyncio.StreamWriter) -> None:
        url = {"mode": "url", "url": "https://a.example", "message": "go", "elicitationId": "e"}
        writer.write(
            STREAM + event({"jsonrpc": "2.0", "id": "u", "method": "elicitation/create", "params": url})
        )
        await writer.drain()
        await stage.talker.answer("u")
        writer.write(event(_note("notifications/elicitation/complete", {"elicitationId": "e"})))
        writer.write(event(asked.result({"content": []})) + END)

    stage.peer.acts["tools/call"] = act
    async with stage.client.stream() as own, stage.client.stream(stage.call()) as stream:
        message = await anext(stream)
        await stage.client.post({"jsonrpc": "2.0", "id": message["id"], "result": {"action": "accept"}})
        assert await stage.until(own, "notifications/elicitation/complete") == {"elicitationId": "e"}


async def initialized(stage: Stage) -> None:
    await unheard(stage, "notifications/initialized")


async def roots_changed(stage: Stage) -> None:
    """Told to a legacy server in the session's own conversation; a modern one asks anew each time."""
    await stage.client.call()
    said = await stage.client.post(_note("notifications/roots/list_changed", {}))
    assert said.status == 202
    if stage.same:
        await stage.peer.until("notifications/roots/list_changed")
    else:
        assert stage.peer.asked("notifications/roots/list_changed") == []


ECHO = calls("tools/call", {"name": "echo", "arguments": {"a": 1}}, "content")
COMPLETE = {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "a", "value": "b"}}
STORIES: Final[dict[str, Story]] = {
    "initialize": initialize,
    "notifications/initialized": initialized,
    "server/discover": discover,
    "ping": ping,
    "tools/list": lists("tools", "name", "echo"),
    "tools/call": ECHO,
    "prompts/list": lists("prompts", "name", "greet"),
    "prompts/get": calls("prompts/get", {"name": "greet"}, "messages"),
    "resources/list": lists("resources", "uri", RATES),
    "resources/templates/list": lists("resourceTemplates", "uriTemplate", "acct://{id}"),
    "resources/read": calls("resources/read", {"uri": RATES}, "contents"),
    "resources/subscribe": subscribe,
    "resources/unsubscribe": unsubscribe,
    "subscriptions/listen": listen,
    "notifications/subscriptions/acknowledged": listen,
    "completion/complete": calls("completion/complete", COMPLETE, "completion"),
    "logging/setLevel": set_level,
    "notifications/message": logs,
    "notifications/progress": progress,
    "notifications/cancelled": cancel,
    "notifications/tools/list_changed": changed("tools", {"name": "new", "inputSchema": {"type": "object"}}),
    "notifications/prompts/list_changed": changed("prompts", {"name": "new"}),
    "notifications/resources/list_changed": changed("resources", {"uri": "doc://new", "name": "new"}),
    "notifications/resources/updated": subscribe,
    "roots/list": question("roots/list"),
    "sampling/createMessage": question("sampling/createMessage"),
    "elicitation/create": question("elicitation/create"),
    "notifications/elicitation/complete": completed,
    "notifications/roots/list_changed": roots_changed,
}
"""By method; where the client's revision does not have it, it is refused instead."""
MODERN_STORIES: Final[dict[str, Story]] = {"notifications/resources/updated": listen}
"""Where it comes in another way in 2026-07-28."""
