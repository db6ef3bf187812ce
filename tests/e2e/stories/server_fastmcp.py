"""`server_fastmcp.py stdio` or a port: a story server on PyPI's fastmcp, which takes no subscriptions."""

import sys
from typing import Any

from fastmcp import Context, FastMCP
from offers import LOOPBACK, offer


async def say_at(ctx: Any, level: str) -> None:
    await ctx.log(f"a {level}", level=level)


def story() -> Any:
    server: Any = FastMCP("fastmcp")
    offer(server, Context, say_at)
    grown = False

    def extra() -> str:
        """Comes and goes."""
        return "extra"

    @server.tool()
    async def grow(ctx: Context) -> str:
        """Adds a tool, or takes it away."""
        nonlocal grown
        grown = not grown
        if grown:
            server.tool(extra)
        else:
            server.local_provider.remove_tool("extra")
        return "grown" if grown else "shrunk"

    return server


def main() -> None:
    where = sys.argv[1]
    if where == "stdio":
        story().run("stdio", show_banner=False, log_level="ERROR")
    else:
        story().run("http", host=LOOPBACK, port=int(where), show_banner=False, log_level="ERROR")


if __name__ == "__main__":
    main()
