"""A stdio server that dies when it is asked to."""

import os

from mcp.server import MCPServer


def main() -> None:
    server = MCPServer("fragile", log_level="WARNING")

    @server.tool()
    def crash() -> str:
        """Ends the process in the middle of the call."""
        os._exit(3)

    @server.tool()
    def pid() -> int:
        """The process that answers."""
        return os.getpid()

    server.run("stdio")


if __name__ == "__main__":
    main()
