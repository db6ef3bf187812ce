"""Real clients: the official Python SDK in each era, and MCP Inspector's command line."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from tests.e2e.support.servers import node, node_modules

LEGACY, MODERN = "legacy", "2026-07-28"
ERAS = (LEGACY, MODERN)
TIMEOUT_S = 30.0


@asynccontextmanager
async def connect(url: str, key: str | None, mode: str = MODERN) -> AsyncIterator[Client]:
    """The SDK's client over HTTP with a key."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S) as http,
        Client(
            streamable_http_client(url, http_client=http), mode=mode, read_timeout_seconds=TIMEOUT_S
        ) as client,
    ):
        yield client


async def names(client: Client) -> set[str]:
    """Names of the tools that the client sees."""
    return {tool.name for tool in (await client.list_tools()).tools}


def text(result: CallToolResult) -> str:
    """All text of a result."""
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def inspect(url: str, key: str, method: str, *arguments: str, home: Path, code: int = 0) -> dict[str, Any]:
    """What Inspector's CLI prints for one method. Fails the test unless it ends with `code`."""
    command = [
        node(),
        str(node_modules() / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"),
    ]
    command += ["--cli", url, "--transport", "http", "--header", f"Authorization: Bearer {key}"]
    command += ["--format", "json", "--quiet", "--method", method, *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
    )
    assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
