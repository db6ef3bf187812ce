"""npm's server-everything over stdio: a legacy server, reached in both eras, by the SDK and by Inspector."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import MCPError
from mcp.types import PromptReference, TextContent, TextResourceContents

from tests.e2e.support import servers
from tests.e2e.support.clients import ERAS, LEGACY, connect, inspect, names, text
from tests.e2e.support.gateway import Gateway, running

ALLOWED = {"echo", "get-sum", "get-structured-content", "trigger-long-running-operation"}
STATIC = "demo://resource/static/document/features.md"
ENDPOINTS = {"/mcp/everything": "", "/mcp": "everything__"}


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    grant = {
        "servers": ["everything"],
        "tools": {"allow": sorted(ALLOWED)},
        "resources": {"allow": ["demo://resource/static/*"]},
        "prompts": {"allow": ["simple-*", "args-*"]},
    }
    config = {
        "servers": {"everything": {"command": servers.everything()}},
        "agents": {"tester": {"see_rules": True, "grants": [grant]}},
    }
    with running(tmp_path_factory.mktemp("everything"), config) as gateway:
        yield gateway


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", [*ERAS, "auto"])
@pytest.mark.parametrize("path", ENDPOINTS)
async def test_lists_and_calls(gw: Gateway, mode: str, path: str) -> None:
    prefix = ENDPOINTS[path]
    async with connect(gw.url + path, gw.key("tester"), mode) as client:
        assert await names(client) == {prefix + name for name in ALLOWED}

        echo = await client.call_tool(f"{prefix}echo", {"message": "grüß dich"})
        total = await client.call_tool(f"{prefix}get-sum", {"a": 2, "b": 40})
        weather = await client.call_tool(f"{prefix}get-structured-content", {"location": "New York"})

    assert text(echo) == "Echo: grüß dich"
    assert "42" in text(total)
    assert weather.structured_content is not None
    assert set(weather.structured_content) == {"temperature", "conditions", "humidity"}


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_prompts_and_resources_are_filtered_alike(gw: Gateway, mode: str) -> None:
    async with connect(f"{gw.url}/mcp/everything", gw.key("tester"), mode) as client:
        prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}
        prompt = await client.get_prompt("args-prompt", {"city": "Oslo"})
        uris = {resource.uri for resource in (await client.list_resources()).resources}
        document = await client.read_resource(STATIC)
        with pytest.raises(MCPError, match="Unknown prompt"):
            await client.get_prompt("resource-prompt", {"resourceType": "Text", "resourceId": "1"})
        with pytest.raises(MCPError, match="Unknown resource"):
            await client.read_resource("demo://resource/dynamic/text/1")

    assert prompts == {"simple-prompt", "args-prompt"}
    assert isinstance(prompt.messages[0].content, TextContent)
    assert "Oslo" in prompt.messages[0].content.text
    assert STATIC in uris
    assert all(uri.startswith("demo://resource/static/") for uri in uris)
    assert isinstance(document.contents[0], TextResourceContents)
    assert document.contents[0].text


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_at_the_aggregate_a_resource_is_read_under_the_uri_that_is_listed(
    gw: Gateway, mode: str
) -> None:
    async with connect(f"{gw.url}/mcp", gw.key("tester"), mode) as client:
        listed = {str(resource.uri) for resource in (await client.list_resources()).resources}
        document = await client.read_resource(f"everything+{STATIC}")
        with pytest.raises(MCPError, match="Unknown resource"):
            await client.read_resource("everything+demo://resource/dynamic/text/1")
        with pytest.raises(MCPError, match="Unknown resource"):
            await client.read_resource(STATIC)

    assert f"everything+{STATIC}" in listed
    assert all(uri.startswith("everything+demo://resource/static/") for uri in listed)
    assert [str(one.uri) for one in document.contents] == [f"everything+{STATIC}"]


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_a_hidden_tool_answers_like_none(gw: Gateway, mode: str) -> None:
    errors = []
    async with connect(f"{gw.url}/mcp/everything", gw.key("tester"), mode) as client:
        for name in ("get-env", "no-such-tool"):
            with pytest.raises(MCPError) as caught:
                await client.call_tool(name, {})
            errors.append((caught.value.code, caught.value.message, caught.value.data))
        alive = await client.call_tool("echo", {"message": "still here"})

    assert errors[0] == errors[1] == (-32602, "Unknown tool", None)
    assert text(alive) == "Echo: still here"


@pytest.mark.spec("DW-200")
@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_progress_arrives_while_the_call_runs(gw: Gateway, mode: str) -> None:
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    async with connect(f"{gw.url}/mcp/everything", gw.key("tester"), mode) as client:
        result = await client.call_tool(
            "trigger-long-running-operation", {"duration": 0.4, "steps": 2}, progress_callback=note
        )

    assert not result.is_error
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.spec("DW-332")
@pytest.mark.asyncio
async def test_completion_follows_the_prompt_it_refers_to(gw: Gateway) -> None:
    async with connect(f"{gw.url}/mcp/everything", gw.key("tester"), LEGACY) as client:
        with pytest.raises(MCPError, match="Unknown reference"):
            await client.complete(
                PromptReference(name="completable-prompt"), {"name": "department", "value": "E"}
            )


@pytest.mark.parametrize("era", ["legacy", "auto", "modern"])
@pytest.mark.parametrize("path", ENDPOINTS)
def test_inspector_lists_and_calls(gw: Gateway, tmp_path: Path, era: str, path: str) -> None:
    prefix, url, key = ENDPOINTS[path], gw.url + path, gw.key("tester")
    listed = inspect(url, key, "tools/list", "--protocol-era", era, home=tmp_path)
    called = inspect(
        url,
        key,
        "tools/call",
        *("--tool-name", f"{prefix}get-sum", "--tool-arg", "a=2", "b=40", "--protocol-era", era),
        home=tmp_path,
    )

    assert {tool["name"] for tool in listed["result"]["tools"]} == {prefix + name for name in ALLOWED}
    assert "42" in called["result"]["content"][0]["text"]
