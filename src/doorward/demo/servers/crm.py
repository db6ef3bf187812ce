"""A small CRM as an MCP server over Streamable HTTP: `python -m doorward.demo.servers.crm --database FILE`.

The first line on stdout is the port it listens on, also with `--port 0`. It knows nothing of Doorward
and trusts whoever reaches it, as most MCP servers do: that is what a gateway in front of it is for.
"""

import argparse
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from doorward.demo.servers.customers import Customer, Customers

LOOPBACK: Final = "127.0.0.1"
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

_READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_UPDATES: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_DESTROYS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)


def server(customers: Customers) -> MCPServer:
    """The CRM over `customers`: four tools and a prompt."""
    crm = MCPServer("crm", title="Customers", version="1.0", log_level="WARNING")

    @crm.tool(title="Find customers", annotations=_READS)
    def find_customers(query: str, limit: Annotated[int, Field(ge=1, le=100)] = 5) -> list[Customer]:
        """Find customers whose name, company or email contains the query."""
        return list(customers.find(query, limit))

    @crm.tool(title="Get a customer", annotations=_READS)
    def get_customer(id: int) -> Customer:  # noqa: A002 - the argument's name is the tool's interface
        """Get one customer by id."""
        found = customers.get(id)
        if found is None:
            raise ToolError(f"there is no customer {id}")
        return found

    @crm.tool(title="Change an email address", annotations=_UPDATES)
    def update_email(id: int, email: str) -> Customer:  # noqa: A002 - see get_customer
        """Change a customer's email address."""
        if not _EMAIL.fullmatch(email):
            raise ToolError(f"{email!r} is no email address")
        if not customers.set_email(id, email):
            raise ToolError(f"there is no customer {id}")
        return get_customer(id)

    @crm.tool(title="Delete a customer", annotations=_DESTROYS)
    def delete_customer(id: int) -> str:  # noqa: A002 - see get_customer
        """Delete a customer for good."""
        if not customers.delete(id):
            raise ToolError(f"there is no customer {id}")
        return f"deleted customer {id}"

    @crm.prompt(title="Write to a customer")
    def letter(name: str, subject: str) -> str:
        """A letter to one customer."""
        return f"Write a short, friendly letter to {name} about {subject}. Do not promise any price."

    return crm


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    parser = argparse.ArgumentParser(prog="crm", description="A CRM with invented customers, over MCP.")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file, made when it is missing")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    args = parser.parse_args(argv)
    customers = Customers(args.database)
    customers.seed()
    listener = socket.create_server((LOOPBACK, args.port))
    print(listener.getsockname()[1], flush=True)
    app = server(customers).streamable_http_app(host=LOOPBACK)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
