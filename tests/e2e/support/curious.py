"""A server of the official Python SDK that asks its clients; over HTTP in one era or in both, or on stdio."""

import sys
from typing import Annotated

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, ListRoots, Resolve, Sample
from mcp.types import CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel

from tests.e2e.support.changing import LOOPBACK, OneEra

SERVER = MCPServer("curious", log_level="WARNING")


class Person(BaseModel):
    name: str


def who() -> Elicit[Person]:
    return Elicit("Who are you?", Person)


def rhyme() -> Sample:
    words = SamplingMessage(role="user", content=TextContent(type="text", text="a rhyme on door"))
    return Sample([words], max_tokens=10)


def where() -> ListRoots:
    return ListRoots()


@SERVER.tool()
async def greet(greeting: str, person: Annotated[Person, Resolve(who)]) -> str:
    return f"{greeting}, {person.name}"


@SERVER.tool()
async def poem(said: Annotated[CreateMessageResult, Resolve(rhyme)]) -> str:
    assert isinstance(said.content, TextContent)
    return f"{said.model}: {said.content.text}"


@SERVER.tool()
async def roots(found: Annotated[ListRootsResult, Resolve(where)]) -> str:
    return " ".join(str(root.uri) for root in found.roots)


@SERVER.tool()
async def visit(context: Context) -> str:
    """URL mode, as 2025-11-25 has it."""
    found = await context.elicit_url("Sign in", "https://example.com/sign-in", "visit-1")
    await context.session.send_elicit_complete("visit-1")
    return found.action


@SERVER.tool()
async def aside(context: Context) -> str:
    """Asks without saying that it is about this call: on the stream that belongs to none."""
    found = await context.session.elicit_form("Who are you?", {"type": "object", "properties": {}})
    return found.action


@SERVER.tool()
async def plain(text: str) -> str:
    return text


def main() -> None:
    era, *rest = sys.argv[1:]
    if era == "stdio":
        SERVER.run()
        return
    [port] = rest
    app = SERVER.streamable_http_app(host=LOOPBACK)
    if era != "both":
        app = OneEra(app, modern=era == "modern")
    uvicorn.run(app, host=LOOPBACK, port=int(port), log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
