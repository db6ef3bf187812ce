"""`python -m tests.conformance.client URL`: a client on the official Python SDK that plays the scenarios.

Which one says MCP_CONFORMANCE_SCENARIO; the suite sets MCP_CONFORMANCE_PROTOCOL_VERSION and _CONTEXT, too.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import mcp_types as mcp
from mcp import Client
from mcp.shared.exceptions import MCPError

TIMEOUT_S: Final = 20.0
MODERN: Final = "2026-07-28"
Scenario = Callable[[Client], Awaitable[None]]


async def listing(client: Client) -> None:
    await client.list_tools()


async def adding(client: Client) -> None:
    await client.list_tools()
    await client.call_tool("add_numbers", {"a": 5, "b": 3})


async def calling_all(client: Client) -> None:
    """Every tool that is left after the client has thrown out what it must."""
    for tool in (await client.list_tools()).tools:
        await client.call_tool(tool.name, dict.fromkeys(tool.input_schema.get("required", ()), "x"))


async def calling_one(client: Client) -> None:
    for tool in (await client.list_tools()).tools:
        await client.call_tool(tool.name, {})


async def everything(client: Client) -> None:
    await calling_one(client)
    for resource in (await client.list_resources()).resources:
        await client.read_resource(resource.uri)
    for prompt in (await client.list_prompts()).prompts:
        await client.get_prompt(prompt.name)


async def told(client: Client) -> None:
    """The calls that the scenario's context lists."""
    await client.list_tools()
    for call in json.loads(os.environ["MCP_CONFORMANCE_CONTEXT"])["toolCalls"]:
        await client.call_tool(call["name"], call["arguments"])


async def answering(client: Client) -> None:
    """Multi-round calls with an unrelated one between them; the last result has no resultType, which the SDK
    refuses and the specification calls complete."""
    await client.list_tools()
    for name in ("test_mrtr_echo_state", "test_mrtr_no_state", "test_mrtr_unrelated"):
        await client.call_tool(name, {})
    try:
        await client.call_tool("test_mrtr_no_result_type", {})
    except (MCPError, ValueError) as problem:
        print(f"refused by the SDK: {problem}", file=sys.stderr)


async def echoing(client: Client) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    schema = tools["json_schema_2020_12_tool"].input_schema
    await client.call_tool("json_schema_echo", {"schema": schema})


async def elicited(context: Any, params: mcp.ElicitRequestParams) -> mcp.ElicitResult:
    """Accepts with the defaults of the form, and with True where there is none."""
    properties = getattr(params, "requested_schema", {}).get("properties", {})
    content = {name: schema.get("default", True) for name, schema in properties.items()}
    return mcp.ElicitResult(action="accept", content=content)


SCENARIOS: Final[dict[str, Scenario]] = {
    "initialize": listing,
    "tools_call": adding,
    "elicitation-sep1034-client-defaults": calling_one,
    "sse-retry": calling_one,
    "request-metadata": listing,
    "http-standard-headers": everything,
    "http-custom-headers": told,
    "http-invalid-tool-headers": calling_all,
    "sep-2322-client-request-state": answering,
    "json-schema-ref-no-deref": listing,
    "json-schema-2020-12-preservation": echoing,
}


async def main() -> None:
    version = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"]
    mode = "auto" if version == MODERN else "legacy"
    async with Client(
        sys.argv[-1], mode=mode, read_timeout_seconds=TIMEOUT_S, elicitation_callback=elicited
    ) as client:
        await SCENARIOS[os.environ["MCP_CONFORMANCE_SCENARIO"]](client)


if __name__ == "__main__":
    asyncio.run(main())
