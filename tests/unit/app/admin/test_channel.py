"""The two ends of the channel over a socket pair: what is asked, what is answered, who breaks the rules."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from doorward.app.admin import channel, messages
from doorward.app.admin.channel import Channel, Verb
from doorward.app.admin.remote import MOST_ALIKE, RemoteLive
from doorward.control.errors import Unavailable
from doorward.model.errors import GatewayError
from doorward.model.grants import AgentRules
from doorward.model.reasons import Reason
from doorward.ports.live import CallRow, Selector, ServerRow, ToolRow

HELLO = messages.Hello("/state/doorward.db", "/state/secrets.json", "127.0.0.1:7421")
CALL = CallRow("id", 1.0, "tools/call", "ci", "anna", server="crm", kind="tool", name="find", sent=True)


class Ends:
    """A channel that is served, and the bare other end."""

    def __init__(self, serving: asyncio.Task[None], reader: asyncio.StreamReader, writer: Any) -> None:
        self.serving, self.reader, self.writer = serving, reader, writer

    async def ask(self, number: int, verb: str, given: Any = None) -> None:
        given = messages.raw({} if given is None else given)
        self.writer.write(messages.line(messages.Question(number, verb, given)))
        await self.writer.drain()

    async def answer(self) -> messages.Answer:
        async with asyncio.timeout(5):
            return messages.answer(await self.reader.readline())

    async def ended(self) -> None:
        async with asyncio.timeout(5):
            await self.serving


@asynccontextmanager
async def ends(verbs: Mapping[str, Verb]) -> AsyncIterator[Ends]:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=messages.MAX_QUESTION)
    serving = asyncio.create_task(Channel(reader, writer, verbs).serve(HELLO))
    far_reader, far_writer = await asyncio.open_unix_connection(sock=theirs, limit=messages.MAX_ANSWER)
    try:
        yield Ends(serving, far_reader, far_writer)
    finally:
        far_writer.close()
        serving.cancel()
        await asyncio.wait([serving])
        writer.close()


@pytest.mark.asyncio
async def test_it_begins_with_what_the_process_has_to_know() -> None:
    async with ends({}) as both:
        assert messages.hello(await both.reader.readline()) == HELLO


@pytest.mark.asyncio
async def test_answers_come_as_they_are_ready() -> None:
    slow = asyncio.Event()

    async def wait(given: msgspec.Raw) -> str:
        await slow.wait()
        return "slow"

    async with ends({"wait": wait, "quick": msgspec.json.decode}) as both:
        await both.reader.readline()
        await both.ask(1, "wait")
        await both.ask(2, "quick", {"a": [1]})
        assert await both.answer() == messages.Answer(2, msgspec.Raw(b'{"a":[1]}'))
        slow.set()
        assert await both.answer() == messages.Answer(1, msgspec.Raw(b'"slow"'))


def _fails(error: Exception) -> Verb:
    def verb(given: msgspec.Raw) -> None:
        raise error

    return verb


@pytest.mark.asyncio
async def test_what_goes_wrong_is_an_answer_and_no_end() -> None:
    bugs: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context))
    verbs = {
        "full": _fails(GatewayError(Reason.AUDIT_UNAVAILABLE, "disk full")),
        "odd": lambda given: msgspec.json.decode(given, type=int),
        "bug": _fails(ZeroDivisionError("ours")),
        "large": lambda _: "x" * messages.MAX_ANSWER,
    }
    async with ends(verbs) as both:
        await both.reader.readline()
        found = {}
        for number, verb in enumerate((*verbs, "unheard"), 1):
            await both.ask(number, verb, "text")
            said = await both.answer()
            assert said.id == number
            assert said.fault is not None
            found[verb] = said.fault
        assert not both.serving.done()
    assert found["full"] == messages.Fault("audit_unavailable", "disk full")
    assert "odd: Expected" in found["odd"].message
    assert "ours" not in found["bug"].message
    assert "too large" in found["large"].message
    assert "unheard" in found["unheard"].message
    assert [type(bug["exception"]) for bug in bugs] == [ZeroDivisionError]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    [b"{}\n", b"no json\n", b'{"id":"1","verb":"a"}\n', b"x" * (messages.MAX_QUESTION * 2) + b"\n"],
)
async def test_who_breaks_the_rules_loses_the_channel(text: bytes) -> None:
    async with ends({}) as both:
        both.writer.write(text)
        await both.ended()


@pytest.mark.asyncio
async def test_a_peer_that_is_gone_ends_it_and_what_it_asked_for() -> None:
    ended = asyncio.Event()

    async def wait(given: msgspec.Raw) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with ends({"wait": wait}) as both:
        await both.ask(1, "wait")
        await both.reader.readline()
        await asyncio.sleep(0.01)
        both.writer.close()
        await both.ended()
        async with asyncio.timeout(5):
            await ended.wait()


@pytest.mark.asyncio
async def test_who_asks_much_at_once_has_to_wait() -> None:
    running, most = 0, 0
    go = asyncio.Event()

    async def wait(given: msgspec.Raw) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go.wait()
        running -= 1

    number = channel.MOST_AT_ONCE * 3
    async with ends({"wait": wait}) as both:
        await both.reader.readline()
        for each in range(number):
            await both.ask(each, "wait")
        await asyncio.sleep(0.05)
        go.set()
        assert {(await both.answer()).id for _ in range(number)} == set(range(number))
    assert most == channel.MOST_AT_ONCE


@pytest.mark.asyncio
async def test_who_does_not_read_is_cut_off() -> None:
    async with ends({"much": lambda _: "x" * (messages.MAX_ANSWER - 100)}) as both:
        for number in range(20):
            await both.ask(number, "much")
        await both.ended()


@asynccontextmanager
async def live(verbs: Mapping[str, Verb], answer_s: float = 5.0) -> AsyncIterator[RemoteLive]:
    async with ends(verbs) as both:
        await both.reader.readline()
        loop = asyncio.get_running_loop()
        remote = RemoteLive(loop, both.reader, both.writer.write, answer_s=answer_s)
        running = asyncio.create_task(remote.run())
        try:
            yield remote
        finally:
            running.cancel()
            await asyncio.wait([running])


def _given(verb: Callable[[dict[str, Any]], Any]) -> Verb:
    return lambda given: verb(msgspec.json.decode(given))


@pytest.mark.asyncio
async def test_every_verb_comes_back_as_what_it_was() -> None:
    server = ServerRow("crm", "up", "enforce", tools=3)
    tool = ToolRow("crm", "find", "read", "ab" * 32)
    agent = AgentRules("ci", (), team="platform")
    seen: list[tuple[str, dict[str, Any]]] = []

    def verb(name: str, said: Any) -> Verb:
        return _given(lambda given: (seen.append((name, given)), said)[1])

    verbs = {
        "apply": verb("apply", None),
        "state": verb("state", {"status": "ready"}),
        "servers": verb("servers", [server]),
        "tools": verb("tools", [tool]),
        "agents": verb("agents", [agent]),
        "calls": verb("calls", [CALL]),
        "cancel": verb("cancel", [CALL]),
        "refused": verb("refused", None),
    }

    def work(remote: RemoteLive) -> None:
        remote.apply()
        assert remote.state() == {"status": "ready"}
        assert remote.servers() == [server]
        assert remote.tools("crm", ("crm", "a"), 7) == [tool]
        assert remote.agents() == [agent]
        assert remote.calls(Selector(server="crm"), 9) == [CALL]
        assert remote.cancel(Selector(key="k")) == [CALL]
        remote.refused("credential_invalid", "127.0.0.1")
        remote.state()

    async with live(verbs) as remote:
        await asyncio.to_thread(work, remote)
    assert dict(seen) == {
        "apply": {},
        "state": {},
        "servers": {},
        "tools": {"server": "crm", "after": ["crm", "a"], "limit": 7},
        "agents": {},
        "calls": {"selector": {"server": "crm"}, "limit": 9},
        "cancel": {"selector": {"key": "k"}},
        "refused": {"refusals": [["credential_invalid", "127.0.0.1", 1]]},
    }


@pytest.mark.asyncio
async def test_a_flood_of_refusals_is_told_in_few_words() -> None:
    told: list[list[Any]] = []

    def work(remote: RemoteLive) -> None:
        for number in range(3000):
            remote.refused("credential_invalid", f"10.0.{number % 100}.1")

    async with live({"refused": _given(lambda given: told.append(given["refusals"]))}) as remote:
        await asyncio.to_thread(work, remote)
        async with asyncio.timeout(10):
            while sum(count for each in told for _, _, count in each) < 3000:  # noqa: ASYNC110 - what it waits for comes over a socket
                await asyncio.sleep(0.01)
    assert told[0] == [["credential_invalid", "10.0.0.1", 1]]
    assert len(told) < 20
    assert all(len(refusals) <= MOST_ALIKE + 1 for refusals in told)


@pytest.mark.asyncio
async def test_what_the_gateway_cannot_do_is_said_in_its_words() -> None:
    async with live({"apply": _fails(GatewayError(Reason.AUDIT_UNAVAILABLE, "disk full"))}) as remote:
        with pytest.raises(GatewayError, match="disk full") as failed:
            await asyncio.to_thread(remote.apply)
    assert failed.value.reason is Reason.AUDIT_UNAVAILABLE


@pytest.mark.asyncio
async def test_a_gateway_that_says_nothing_is_not_waited_for_for_ever() -> None:
    async def silence(given: msgspec.Raw) -> None:
        await asyncio.Event().wait()

    async with live({"apply": silence}, answer_s=0.05) as remote:
        with pytest.raises(Unavailable, match="did not answer"):
            await asyncio.to_thread(remote.apply)


@pytest.mark.asyncio
async def test_a_gateway_that_ends_answers_everybody_who_waits() -> None:
    async def silence(given: msgspec.Raw) -> None:
        await asyncio.Event().wait()

    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    remote = RemoteLive(asyncio.get_running_loop(), reader, writer.write)
    running = asyncio.create_task(remote.run())
    asked = asyncio.create_task(asyncio.to_thread(remote.state))
    await asyncio.sleep(0.05)
    ours.close()
    await running
    results: list[Awaitable[Any]] = [asked, asyncio.to_thread(remote.state)]
    for result in results:
        with pytest.raises(Unavailable, match="gone"):
            await result
    writer.close()
