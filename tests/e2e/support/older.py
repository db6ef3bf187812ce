"""A stdio server of 2025-11-25 without an SDK: each caller has a process of its own.

Tools: `list_files`, which answers, and `wait`, which does not."""

import json
import sys
from typing import Any

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("list_files", "wait")]


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        info = {"name": "older", "version": "1"}
        return {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": info,
        }
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return {"content": []} if params["name"] == "list_files" else None
    return {}


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        if message["method"] == "server/discover":
            said: dict[str, Any] = {"error": {"code": -32601, "message": "no such method"}}
        else:
            result = answer(message["method"], message.get("params") or {})
            if result is None:
                continue
            said = {"result": result}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
