"""One modern MCP request as it stands on the wire, where the SDK would hide ids, statuses or timing."""

from typing import Any

import httpx2

MODERN = "2026-07-28"


def request(request_id: int | str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A message with the envelope that 2026-07-28 demands."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
    }
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**params, "_meta": meta}}


def headers(key: str, method: str, name: str | None = None) -> dict[str, str]:
    """The header fields that belong to it."""
    fields = {
        "Authorization": f"Bearer {key}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": method,
    }
    return fields if name is None else {**fields, "Mcp-Name": name}


def call(
    http: httpx2.Client,
    url: str,
    key: str,
    tool: str,
    arguments: dict[str, Any],
    *,
    id: int | str = 1,  # noqa: A002 - JSON-RPC calls it so
) -> httpx2.Response:
    """tools/call; the whole HTTP answer."""
    body = request(id, "tools/call", {"name": tool, "arguments": arguments})
    return http.post(url, json=body, headers=headers(key, "tools/call", tool))


def list_tools(http: httpx2.Client, url: str, key: str) -> dict[str, Any]:
    """The JSON-RPC answer to tools/list, a result or an error."""
    method = "tools/list"
    answer: dict[str, Any] = http.post(
        url, json=request("list-1", method, {}), headers=headers(key, method)
    ).json()
    return answer
