"""`server_python1.py stdio` or a port: a story server on version 1 of the official Python SDK."""

import sys
from typing import Any

from mcp.server.fastmcp import Context, FastMCP
from mcp.server.lowlevel import NotificationOptions
from mcp.types import Completion, SamplingMessage, TextContent
from offers import LOOPBACK, Person, offer, starting_with
from pydantic import AnyUrl


async def say_at(ctx: Any, level: str) -> None:
    await ctx.log(level, f"a {level}")


class Story:
    """Who subscribed, and whether the tool that comes and goes is there."""

    def __init__(self, port: int) -> None:
        self.server: Any = FastMCP("python1", host=LOOPBACK, port=port, log_level="ERROR")
        self.subscribed: list[tuple[Any, str]] = []
        self.grown = False
        offer(self.server, Context, say_at)
        self.change()
        self.ask()
        lowlevel = self.server._mcp_server
        lowlevel.subscribe_resource()(self.subscribe)
        lowlevel.unsubscribe_resource()(self.unsubscribe)
        lowlevel.set_logging_level()(self.set_level)
        self.server.completion()(self.complete)
        self.admit(lowlevel)

    @staticmethod
    def admit(lowlevel: Any) -> None:
        """The SDK offers no subscriptions and no list_changed by itself, though it can do both."""
        offered = lowlevel.get_capabilities

        def capabilities(options: Any, experimental: Any) -> Any:
            found = offered(NotificationOptions(tools_changed=True), experimental)
            found.resources.subscribe = True
            return found

        lowlevel.get_capabilities = capabilities

    async def subscribe(self, uri: AnyUrl) -> None:
        self.subscribed.append((self.server._mcp_server.request_context.session, str(uri)))

    async def unsubscribe(self, uri: AnyUrl) -> None:
        self.subscribed.remove((self.server._mcp_server.request_context.session, str(uri)))

    async def set_level(self, level: str) -> None:
        """A server may say more than it was asked for; who is in between does not pass it on."""

    async def complete(self, ref: Any, argument: Any, context: Any) -> Completion:
        return Completion(values=starting_with(argument.value), hasMore=False)

    def change(self) -> None:
        server, told = self.server, self.subscribed

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
            await ctx.session.send_tool_list_changed()
            return "grown" if self.grown else "shrunk"

        @server.tool()
        async def touch(uri: str) -> str:
            """Says that a resource has changed."""
            for session, wanted in told:
                if wanted == uri:
                    await session.send_resource_updated(AnyUrl(uri))
            return "touched"

    def ask(self) -> None:
        server = self.server

        @server.tool()
        async def ask_name(ctx: Context) -> str:  # type: ignore[type-arg]
            answer: Any = await ctx.elicit("Who are you?", Person)
            return f"Hello, {answer.data.name}" if answer.action == "accept" else str(answer.action)

        @server.tool()
        async def ask_model(ctx: Context) -> str:  # type: ignore[type-arg]
            words = SamplingMessage(role="user", content=TextContent(type="text", text="a rhyme"))
            # Version 1 puts it on the stream of no call unless it is told which call it belongs to.
            said: Any = await ctx.session.create_message(
                [words], max_tokens=10, related_request_id=ctx.request_id
            )
            return f"{said.model}: {said.content.text}"

        @server.tool()
        async def ask_roots(ctx: Context) -> str:  # type: ignore[type-arg]
            found = await ctx.session.list_roots()
            return " ".join(str(root.uri) for root in found.roots)


def main() -> None:
    where = sys.argv[1]
    story = Story(0 if where == "stdio" else int(where))
    story.server.run("stdio" if where == "stdio" else "streamable-http")


if __name__ == "__main__":
    main()
