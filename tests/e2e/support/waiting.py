"""A stdio server with a tool that takes its time."""

import asyncio

from mcp.server import MCPServer


def main() -> None:
    server = MCPServer("waiting", log_level="WARNING")

    @server.tool()
    async def wait() -> str:
        """Answers after ten minutes."""
        await asyncio.sleep(600)
        return "at last"

    server.run("stdio")


if __name__ == "__main__":
    main()
