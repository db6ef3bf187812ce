"""Servers that ask too much, or when nobody can answer, over a real socket: the call ends by name."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from doorward.model.call import Era, RpcError, Session
from doorward.model.errors import CallerError, UpstreamError
from doorward.model.reasons import Reason
from doorward.ports.asks import Inquiry
from doorward.upstream.questions import AT_ONCE, MOST
from doorward.upstream.server import Server
from tests.attack.hostile_server import END, STREAM, Events, Lab, Request, event, http, lab, permit, until

pytestmark = [pytest.mark.asyncio]
FORMS = {"elicitation": {"form": {}}}
SESSION = Session("caller-session", "o", None, "2025-11-25", FORMS, {})


class Client:
    """Implements ports.Asks: answers at once, or never."""

    def __init__(self, *, answers: bool = True) -> None:
        self.asked: list[Inquiry] = []
        self.withdrawn = 0
        self._answers = answers

    def client(self, key: str) -> Session | None:
        return SESSION if key == SESSION.id else None

    async def ask(self, inquiry: Inquiry) -> bytes | RpcError:
        self.asked.append(inquiry)
        if self._answers:
            return b'{"action":"accept"}'
        try:
            await asyncio.Event().wait()
        finally:
            self.withdrawn += 1
        return b"{}"


class Later(Client):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def ask(self, inquiry: Inquiry) -> bytes | RpcError:
        await self.let.wait()
        return await super().ask(inquiry)


def question(number: object, method: str = "elicitation/create") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": {"message": "?"}}


def asks(*numbers: object, then: bytes = b"") -> Any:
    """A tool that asks all of these before it answers, or does not."""

    def act(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        for number in numbers:
            writer.write(event(question(number)))
        if then:
            writer.write(event(request.result({"content": []})) + END)

    return act


def ask_through(made: Lab, server: Server, client: Client) -> None:
    server.relay.questions._asks = client


def answers(made: Lab) -> list[dict[str, Any]]:
    return [one.message for one in made.seen if "method" not in one.message and "id" in one.message]


@pytest.mark.spec("DW-253")
async def test_a_flood_of_questions_is_answered_with_errors() -> None:
    async with lab(may_ask=("elicitation",)) as (made, server):
        client = Client(answers=False)
        ask_through(made, server, client)
        made.acts["tools/call"] = asks(*range(AT_ONCE + 5))
        call = asyncio.create_task(server.send(permit(session=SESSION, events=Events())))
        await until(lambda: len(answers(made)) == 5)
        assert len(client.asked) == AT_ONCE
        assert {one["error"]["code"] for one in answers(made)} == {-32603}
        call.cancel()
        await until(lambda: client.withdrawn == AT_ONCE)
        await made.until("notifications/cancelled")


@pytest.mark.spec("DW-253")
async def test_a_call_brings_so_many_questions_and_no_more() -> None:
    async with lab(may_ask=("elicitation",)) as (made, server):
        client = Client()
        ask_through(made, server, client)

        async def act(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(STREAM)
            for number in range(MOST + 4):
                writer.write(event(question(number)))
                await until(lambda number=number: len(answers(made)) == number + 1)
            writer.write(event(request.result({"content": []})) + END)

        made.acts["tools/call"] = act
        await server.send(permit(session=SESSION, events=Events()))
        assert len(client.asked) == MOST
        assert ["error" in one for one in answers(made)] == [False] * MOST + [True] * 4


@pytest.mark.spec("DW-253")
async def test_a_server_that_answers_while_it_asks_gets_no_answer() -> None:
    async with lab(may_ask=("elicitation",)) as (made, server):
        client = Client(answers=False)
        ask_through(made, server, client)
        made.acts["tools/call"] = asks(1, then=b"answer")
        reply = await server.send(permit(session=SESSION, events=Events()))
        assert reply.result == b'{"content":[]}'
        assert client.withdrawn == len(client.asked) <= 1
        assert answers(made) == []


@pytest.mark.spec("DW-253")
async def test_a_question_stops_the_clock_and_a_silent_server_does_not() -> None:
    async with lab(may_ask=("elicitation",), timeout_s=0.4) as (made, server):
        client = Client(answers=False)
        ask_through(made, server, client)
        made.acts["tools/call"] = asks(1)
        call = asyncio.create_task(server.send(permit(session=SESSION, events=Events())))
        await until(lambda: len(client.asked) == 1)
        await asyncio.sleep(0.8)
        assert not call.done()  # a person may need longer than a server
        made.acts["tools/call"] = asks()
        with pytest.raises(UpstreamError) as error:
            await server.send(permit(session=SESSION, events=Events()))
        assert error.value.reason is Reason.UPSTREAM_TIMEOUT
        call.cancel()
        await until(lambda: client.withdrawn == 1)


@pytest.mark.spec("DW-253")
async def test_a_question_outlives_the_stream_that_it_came_on() -> None:
    def breaks(request: Request, writer: asyncio.StreamWriter) -> None:
        text = b"id: 1\nretry: 100\ndata: " + json.dumps(question("q")).encode() + b"\n\n"
        writer.write(STREAM + b"%x\r\n%b\r\n" % (len(text), text) + END)
        calls.append(request)

    async def goes_on(request: Request, writer: asyncio.StreamWriter) -> None:
        if "last-event-id" not in request.headers:
            writer.write(http(405))
            return
        client.let.set()
        await until(lambda: len(answers(made)) == 1)
        writer.write(STREAM + event(calls[0].result({"content": []})) + END)

    calls: list[Request] = []
    async with lab(may_ask=("elicitation",)) as (made, server):
        client = Later()
        server.relay.questions._asks = client
        made.acts |= {"tools/call": breaks, "GET": goes_on}
        reply = await server.send(permit(session=SESSION, events=Events()))
        assert reply.result == b'{"content":[]}'
        assert answers(made)[0]["result"] == {"action": "accept"}


@pytest.mark.spec("DW-143")
async def test_the_capabilities_are_those_of_each_client_and_sessions_are_not_shared() -> None:
    async with lab(may_ask=("elicitation", "roots")) as (made, server):
        ask_through(made, server, Client())
        other = msgspec.structs.replace(SESSION, id="other")
        await server.send(permit(session=SESSION))
        await server.send(permit(session=other))
        declared = [one.message["params"]["capabilities"] for one in made.seen if one.method == "initialize"]
        assert declared[1:] == [FORMS, {}]


@pytest.mark.spec("DW-254")
@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [(FORMS, Reason.BRIDGE_UNSUPPORTED), ({}, Reason.CAPABILITY_MISSING)],
)
async def test_a_modern_caller_of_a_legacy_server_is_told_by_name(
    capabilities: dict[str, Any], expected: Reason
) -> None:
    async with lab(may_ask=("elicitation",)) as (made, server):
        made.acts["tools/call"] = asks("q")
        sent = permit(era=Era.MODERN, events=Events())
        sent = msgspec.structs.replace(
            sent, call=msgspec.structs.replace(sent.call, capabilities=capabilities)
        )
        with pytest.raises((CallerError, UpstreamError), match="server lab needs elicitation") as error:
            await server.send(sent)
        assert error.value.reason is expected
        await until(lambda: len(answers(made)) == 1)
        assert answers(made)[0]["error"]["code"] == -32601
        await made.until("notifications/cancelled")
