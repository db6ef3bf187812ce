"""`server_python2.py stdio` or a port: a story server on version 2 of the official Python SDK; both eras."""

import sys
import warnings
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, ListRoots, Resolve, Sample
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged, event_to_notification
from mcp.types import (
    Completion,
    CreateMessageResult,
    EmptyResult,
    ListRootsResult,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    UnsubscribeRequestParams,
)
from offers import LOOPBACK, Person, offer, starting_with


async def say_at(ctx: Any, level: str) -> None:
    await ctx.log(level, f"a {level}")


def who() -> Elicit[Person]:
    return Elicit("Who are you?", Person)


def rhyme() -> Sample:
    words = SamplingMessage(role="user", content=TextContent(type="text", text="a rhyme"))
    return Sample([words], max_tokens=10)


def where() -> ListRoots:
    return ListRoots()


class Story:
    """Legacy sessions are told here; the SDK's own bus tells those that listen in the modern way."""

    def __init__(self) -> None:
        self.server: Any = MCPServer("python2", log_level="ERROR")
        self.sessions: dict[str, Any] = {}
        self.subscribed: set[tuple[str, str]] = set()
        self.grown = False
        offer(self.server, Context, say_at)
        self.change()
        self.ask()
        self.server.completion()(self.complete)
        lowlevel = self.server._lowlevel_server
        lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, self.subscribe)
        lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self.unsubscribe)
        lowlevel.add_request_handler("logging/setLevel", SetLevelRequestParams, self.set_level)
        lowlevel.middleware.append(self.observe)
        self.admit(lowlevel)

    @staticmethod
    def admit(lowlevel: Any) -> None:
        offered = lowlevel.get_capabilities

        def capabilities(*args: Any, **kwargs: Any) -> Any:
            found = offered(*args, **kwargs)
            found.tools.list_changed = True
            return found

        lowlevel.get_capabilities = capabilities

    async def observe(self, ctx: Any, call_next: Any) -> Any:
        """Middleware: knows each legacy session by having said anything at all."""
        if (name := session_of(ctx)) is not None:
            self.sessions[name] = ctx.session
        return await call_next(ctx)

    async def subscribe(self, ctx: Any, params: SubscribeRequestParams) -> EmptyResult:
        self.subscribed.add((session_of(ctx) or "", str(params.uri)))
        return EmptyResult()

    async def unsubscribe(self, ctx: Any, params: UnsubscribeRequestParams) -> EmptyResult:
        self.subscribed.discard((session_of(ctx) or "", str(params.uri)))
        return EmptyResult()

    async def set_level(self, ctx: Any, params: SetLevelRequestParams) -> EmptyResult:
        """A server may say more than it was asked for; who is in between does not pass it on."""
        return EmptyResult()

    async def complete(self, ref: Any, argument: Any, context: Any) -> Completion:
        return Completion(values=starting_with(argument.value), has_more=False)

    async def tell(self, event: Any, names: set[str]) -> None:
        for name in names & self.sessions.keys():
            await self.sessions[name].send_notification(event_to_notification(event, {}))

    def change(self) -> None:
        server = self.server

        def extra() -> str:
            """Comes and goes."""
            return "extra"

        @server.tool()
        async def grow(ctx: Context) -> str:  # type: ignore[type-arg]
            """Adds a tool, or takes it away."""
            self.grown = not self.grown
            if self.grown:
                server.add_tool(extra)
            else:
                server.remove_tool("extra")
            await ctx.notify_tools_changed()
            await self.tell(ToolsListChanged(), {session_of(ctx.request_context) or ""})
            return "grown" if self.grown else "shrunk"

        @server.tool()
        async def touch(uri: str, ctx: Context) -> str:  # type: ignore[type-arg]
            """Says that a resource has changed."""
            await ctx.notify_resource_updated(uri)
            await self.tell(ResourceUpdated(uri=uri), {name for name, one in self.subscribed if one == uri})
            return "touched"

    def ask(self) -> None:
        server = self.server

        @server.tool()
        async def ask_name(person: Annotated[Person, Resolve(who)]) -> str:
            return f"Hello, {person.name}"

        @server.tool()
        async def ask_model(said: Annotated[CreateMessageResult, Resolve(rhyme)]) -> str:
            return f"{said.model}: {said.content.text}"  # type: ignore[union-attr]

        @server.tool()
        async def ask_roots(found: Annotated[ListRootsResult, Resolve(where)]) -> str:
            return " ".join(str(root.uri) for root in found.roots)


def session_of(ctx: Any) -> str | None:
    """None for what has no session: modern requests."""
    if ctx.protocol_version >= "2026":
        return None
    if ctx.request is None:
        return "stdio"
    found: str | None = ctx.request.headers.get("mcp-session-id")
    return found


def main() -> None:
    # Deprecated in 2026-07-28 and part of what came before, which this server speaks too.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    where_to = sys.argv[1]
    story = Story()
    if where_to == "stdio":
        story.server.run("stdio")
    else:
        story.server.run("streamable-http", host=LOOPBACK, port=int(where_to))


if __name__ == "__main__":
    main()
