"""A legacy server of the official Python SDK that ends its streams on purpose and continues them by GET."""

import asyncio
import sys
from typing import Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.streamable_http import EventMessage, EventStore

LOOPBACK = "127.0.0.1"


class Memory(EventStore):
    """Every event in its order; ids are places in it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.events.append((stream_id, message))
        return str(len(self.events) - 1)

    async def replay_events_after(self, last_event_id: str, send_callback: Any) -> str | None:
        last = int(last_event_id)
        stream_id = self.events[last][0]
        for number, (stream, message) in enumerate(self.events[last + 1 :], last + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


class LegacyOnly:
    """ASGI: knows nothing of 2026-07-28, whose streams cannot be continued."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        fields = dict(scope.get("headers", ()))
        if fields.get(b"mcp-method") is not None:
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)


def main() -> None:
    server = MCPServer("resumable", log_level="WARNING")
    runs = 0

    @server.tool()
    async def long(times: int, context: Context) -> str:
        """Ends its stream `times` times before it answers with how often it was run."""
        nonlocal runs
        runs += 1
        for step in range(times):
            await context.report_progress(step, times)
            # Closed at once, the SDK's stream may end before it has sent an event, and without an event's id
            # nobody can continue it.
            await asyncio.sleep(0.3)
            await context.close_sse_stream()
            await asyncio.sleep(0.6)
        return f"run {runs}"

    app = LegacyOnly(server.streamable_http_app(host=LOOPBACK, event_store=Memory(), retry_interval=100))
    uvicorn.run(app, host=LOOPBACK, port=int(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
