"""Servers that ask their clients, through the gateway, with the official Python SDK on both sides."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitResult,
    ListRootsResult,
    Root,
    TextContent,
)

from tests.e2e.conftest import Start
from tests.e2e.support.clients import LEGACY, MODERN, text
from tests.e2e.support.gateway import Gateway, running
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens
from tests.e2e.support.servers import ROOT, everything

pytestmark = [pytest.mark.asyncio]
ALL = ["elicitation", "sampling", "roots"]
MODULE = "tests.e2e.support.curious"
ENV = {"PYTHONPATH": str(ROOT)}


class Person:
    """What the client's callbacks say, and what they were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def elicit(self, context: Any, params: Any) -> ElicitResult:
        if not isinstance(params, ElicitRequestFormParams):
            self.asked.append(params.url)
            return ElicitResult(action="accept")
        self.asked.append(params.message)
        return ElicitResult(action="accept", content={"name": "Anna"})

    async def sample(self, context: Any, params: Any) -> CreateMessageResult:
        self.asked.append("sample")
        return CreateMessageResult(
            role="assistant", model="m1", content=TextContent(type="text", text="more")
        )

    async def roots(self, context: Any) -> ListRootsResult:
        self.asked.append("roots")
        return ListRootsResult(roots=[Root(uri="file:///work")])


@asynccontextmanager
async def client(url: str, key: str, mode: str, person: Person | None) -> AsyncIterator[Client]:
    answers: dict[str, Any] = {}
    if person is not None:
        answers = {
            "elicitation_callback": person.elicit,
            "sampling_callback": person.sample,
            "list_roots_callback": person.roots,
        }
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=30) as http,
        Client(
            streamable_http_client(url, http_client=http), mode=mode, read_timeout_seconds=30, **answers
        ) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway before a server of each era and one of both, each under a name for what it may ask."""
    folder = tmp_path_factory.mktemp("asking")
    servers: dict[str, Any] = {}
    with ExitStack() as stack:
        for era in ("legacy", "modern", "both"):
            port = free_port()
            command = [sys.executable, "-m", MODULE, era, str(port)]
            upstream = stack.enter_context(child(command, folder / f"{era}.log", ENV))
            upstream.wait_until(partial(listens, port), "the server listens")
            url = f"http://{LOOPBACK}:{port}/mcp"
            servers |= {f"{era}-all": {"url": url, "may_ask": ALL}, f"{era}-none": {"url": url}}
            servers[f"{era}-roots"] = {"url": url, "may_ask": ["roots"]}
        grant = {"servers": list(servers), "tools": {"allow": ["*"]}}
        yield stack.enter_context(
            running(folder, {"servers": servers, "agents": {"user": {"grants": [grant]}}})
        )


SAME = [(LEGACY, "legacy"), (MODERN, "modern")]


@pytest.mark.spec("DW-241")
@pytest.mark.parametrize(
    ("mode", "era", "aggregate"),
    [
        (LEGACY, "legacy", False),
        (MODERN, "modern", False),
        (MODERN, "modern", True),
        (LEGACY, "both", False),
        (MODERN, "both", False),
        (LEGACY, "both", True),
    ],
)
async def test_a_client_is_asked_and_its_answer_arrives(
    gw: Gateway, mode: str, era: str, aggregate: bool
) -> None:
    person, name = Person(), f"{era}-all"
    before = {one["id"] for one in gw.records() if one["kind"] == "decision"}
    path, prefix = ("/mcp", f"{name}__") if aggregate else (f"/mcp/{name}", "")
    async with client(gw.url + path, gw.key("user"), mode, person) as made:
        greeted = await made.call_tool(prefix + "greet", {"greeting": "Hello"})
        assert text(greeted) == "Hello, Anna"
        assert text(await made.call_tool(prefix + "poem", {})) == "m1: more"
        assert text(await made.call_tool(prefix + "roots", {})) == "file:///work"
        assert person.asked == ["Who are you?", "sample", "roots"]
        assert text(await made.call_tool(prefix + "plain", {"text": "still here"})) == "still here"
    if mode == LEGACY:
        records = gw.records()
        decided = {one["id"]: one for one in records if one["kind"] == "decision" and one["id"] not in before}
        asked = [one for one in decided.values() if one.get("mcp", {}).get("kind") == "question"]
        methods = [one["mcp"]["method"] for one in asked]
        assert methods == ["elicitation/create", "sampling/createMessage", "roots/list"]
        for one in asked:
            assert one["decision"]["effect"] == "permit"
            assert one["mcp"]["server"] == name
            assert decided[one["during"]]["mcp"]["method"] == "tools/call"
        outcomes = {one["call_id"]: one["result"]["outcome"] for one in records if one["kind"] == "outcome"}
        assert [outcomes[one["id"]] for one in asked] == ["ok"] * 3


async def test_what_belongs_to_no_call_is_heard_from_the_first_call_on(start: Start, tmp_path: Path) -> None:
    """Such a server forgets what it says while nobody listens."""
    port, person = free_port(), Person()
    command = [sys.executable, "-m", "tests.e2e.support.forgetful", str(port)]
    with child(command, tmp_path / "server.log", ENV) as upstream:
        upstream.wait_until(lambda: listens(port), "the server listens")
        url = {"url": f"http://{LOOPBACK}:{port}/mcp", "may_ask": ALL}
        agents = {"user": {"grants": [{"servers": ["forgetful"], "tools": {"allow": ["*"]}}]}}
        gw = start({"servers": {"forgetful": url}, "agents": agents})
        async with client(gw.url + "/mcp/forgetful", gw.key("user"), LEGACY, person) as made:
            assert text(await made.call_tool("ask", {})) == "Anna"
    assert person.asked == ["Who are you?"]


@pytest.mark.spec("DW-246")
@pytest.mark.parametrize(("mode", "era"), SAME)
async def test_nothing_is_asked_by_default(gw: Gateway, mode: str, era: str) -> None:
    person = Person()
    async with client(gw.url + f"/mcp/{era}-none", gw.key("user"), mode, person) as made:
        with pytest.raises(MCPError, match=f"server {era}-none needs elicitation") as refused:
            await made.call_tool("greet", {"greeting": "Hello"})
        assert refused.value.error.data["reason"] == "ask_not_allowed"
        assert text(await made.call_tool("plain", {"text": "still here"})) == "still here"
    assert person.asked == []


@pytest.mark.spec("DW-242")
@pytest.mark.parametrize(("mode", "era"), SAME)
async def test_a_client_that_cannot_be_asked_is_not(gw: Gateway, mode: str, era: str) -> None:
    async with client(gw.url + f"/mcp/{era}-all", gw.key("user"), mode, None) as made:
        with pytest.raises(MCPError, match="capability") as refused:
            await made.call_tool("greet", {"greeting": "Hello"})
        assert refused.value.error.code == -32021
        assert text(await made.call_tool("plain", {"text": "still here"})) == "still here"


@pytest.mark.spec("DW-254")
@pytest.mark.parametrize(("mode", "era"), [(MODERN, "legacy"), (LEGACY, "modern")])
async def test_across_eras_it_fails_by_name_and_does_not_hang(gw: Gateway, mode: str, era: str) -> None:
    person = Person()
    async with client(gw.url + f"/mcp/{era}-all", gw.key("user"), mode, person) as made:
        for tool, kind in [("greet", "elicitation"), ("poem", "sampling"), ("roots", "roots")]:
            with pytest.raises(MCPError, match=f"server {era}-all needs {kind}") as failed:
                await made.call_tool(tool, {"greeting": "Hello"} if tool == "greet" else {})
            assert failed.value.error.code == -32603
            assert failed.value.error.data["reason"] == "bridge_unsupported"
            assert failed.value.error.data["server"] == f"{era}-all"
        assert text(await made.call_tool("plain", {"text": "still here"})) == "still here"
    assert person.asked == []


@pytest.mark.parametrize(
    ("mode", "era"), [(LEGACY, "modern"), (LEGACY, "both"), (MODERN, "both"), (MODERN, "legacy")]
)
async def test_across_eras_a_client_that_declares_nothing_is_told_what_it_lacks(
    gw: Gateway, mode: str, era: str
) -> None:
    async with client(gw.url + f"/mcp/{era}-all", gw.key("user"), mode, None) as made:
        with pytest.raises(MCPError) as refused:
            await made.call_tool("greet", {"greeting": "Hello"})
        assert refused.value.error.code == -32021
        assert "elicitation" in refused.value.error.data["requiredCapabilities"]
        assert text(await made.call_tool("plain", {"text": "still here"})) == "still here"


@pytest.mark.parametrize(("mode", "era"), [(MODERN, "legacy"), (LEGACY, "modern"), (LEGACY, "both")])
async def test_across_eras_the_operators_word_comes_first(gw: Gateway, mode: str, era: str) -> None:
    person = Person()
    async with client(gw.url + f"/mcp/{era}-roots", gw.key("user"), mode, person) as made:
        with pytest.raises(MCPError) as refused:
            await made.call_tool("greet", {"greeting": "Hello"})
        assert "bridge_unsupported" not in str(refused.value.error.data)
        assert text(await made.call_tool("plain", {"text": "still here"})) == "still here"
    assert person.asked == []


async def test_a_question_aside_is_that_of_the_only_call(gw: Gateway) -> None:
    """On the stream that belongs to no call, which for a modern caller would lead nowhere."""
    async with client(gw.url + "/mcp/legacy-all", gw.key("user"), MODERN, Person()) as made:
        with pytest.raises(MCPError, match="server legacy-all needs elicitation") as failed:
            await made.call_tool("aside", {})
        assert failed.value.error.data["reason"] == "bridge_unsupported"


@pytest.mark.parametrize("mode", [LEGACY, MODERN])
async def test_a_local_server_of_both_eras_asks_in_the_callers(start: Start, mode: str) -> None:
    person = Person()
    grant = {"servers": ["curious"], "tools": {"allow": ["*"]}}
    server = {"command": [sys.executable, "-m", MODULE, "stdio"], "env": ENV, "may_ask": ALL}
    gw = start({"servers": {"curious": server}, "agents": {"user": {"grants": [grant]}}})
    async with client(gw.url + "/mcp/curious", gw.key("user"), mode, person) as made:
        assert text(await made.call_tool("greet", {"greeting": "Hello"})) == "Hello, Anna"
        assert text(await made.call_tool("plain", {"text": "still here"})) == "still here"
    assert person.asked == ["Who are you?"]


@pytest.mark.spec("DW-251")
async def test_a_url_is_visited(gw: Gateway) -> None:
    person = Person()
    async with client(gw.url + "/mcp/legacy-all", gw.key("user"), LEGACY, person) as made:
        assert text(await made.call_tool("visit", {})) == "accept"
    assert person.asked == ["https://example.com/sign-in"]


async def test_a_local_server_asks_among_everything_else(start: Start) -> None:
    """npm's everything server lists what asks only to those who can be asked, and wants roots at once."""
    person = Person()
    grant = {"servers": ["every"], "tools": {"allow": ["*"]}}
    server = {"command": everything(), "may_ask": ALL}
    gw = start({"servers": {"every": server}, "agents": {"user": {"grants": [grant]}}})
    async with client(gw.url + "/mcp/every", gw.key("user"), LEGACY, person) as made:
        names = {tool.name for tool in (await made.list_tools()).tools}
        assert {"trigger-elicitation-request", "trigger-sampling-request", "get-roots-list"} <= names
        sampled = await made.call_tool("trigger-sampling-request", {"prompt": "a rhyme", "maxTokens": 5})
        assert "more" in text(sampled)
        elicited = await made.call_tool("trigger-elicitation-request", {})
        assert "Anna" in text(elicited)
        assert "file:///work" in text(await made.call_tool("get-roots-list", {}))
    assert {"sample", "roots"} <= set(person.asked)


async def test_a_server_that_wants_roots_at_once_ends_no_call_of_a_modern_client(start: Start) -> None:
    person = Person()
    grant = {"servers": ["every"], "tools": {"allow": ["*"]}}
    server = {"command": everything(), "may_ask": ALL}
    gw = start({"servers": {"every": server}, "agents": {"user": {"grants": [grant]}}})
    async with client(gw.url + "/mcp/every", gw.key("user"), MODERN, person) as made:
        for number in range(3):
            assert f"Echo: {number}" in text(await made.call_tool("echo", {"message": str(number)}))
        with pytest.raises(MCPError, match="server every needs elicitation") as failed:
            await made.call_tool("trigger-elicitation-request", {})
        assert failed.value.error.data["reason"] == "bridge_unsupported"
        assert "Echo" in text(await made.call_tool("echo", {"message": "still here"}))
    assert person.asked == []
