"""A server of the official Python SDK over HTTP+SSE, the transport of 2024-11-05."""

import asyncio
import sys

from mcp.server import MCPServer
from mcp.server.mcpserver import Context


def main() -> None:
    server = MCPServer("legacy", log_level="WARNING")

    @server.tool()
    def echo(text: str) -> str:
        """What it was given."""
        return text

    @server.tool()
    async def session(context: Context) -> str:
        """The event stream that the answer goes to."""
        return str(context.request_context.request.query_params["session_id"])

    @server.tool()
    async def slow(seconds: float, context: Context) -> str:
        """Reports progress twice, then answers."""
        for step in (1, 2):
            await asyncio.sleep(seconds / 2)
            await context.report_progress(step, 2)
        return "done"

    server.run("sse", port=int(sys.argv[1]))


if __name__ == "__main__":
    main()
