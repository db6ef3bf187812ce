"""A server of the official Python SDK that changes when it is told to; over HTTP in one era, or on stdio."""

import asyncio
import sys
from typing import Any

import mcp.types as mcp
import uvicorn
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged, event_to_notification

LOOPBACK = "127.0.0.1"
NOTES = ("note://one", "note://two")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"uri": {"type": "string"}}}


class OneEra:
    """ASGI: a server of one era only, as most in the field are."""

    def __init__(self, app: Any, *, modern: bool) -> None:
        self._app = app
        self._modern = modern

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        fields = dict(scope.get("headers", ()))
        if scope["type"] == "http" and (fields.get(b"mcp-method") is not None) is not self._modern:
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)


class Changing:
    """Tells those who listen, in the way of their era; a legacy session is told of what it subscribed to."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.sessions: dict[int, Any] = {}
        self.subscribed: set[tuple[int, str]] = set()
        self.tools = ["touch", "grow"]
        self.server = self._server()

    async def publish(self, event: Any) -> None:
        await self.bus.publish(event)
        for name, session in list(self.sessions.items()):
            if not isinstance(event, ResourceUpdated) or (name, event.uri) in self.subscribed:
                await session.send_notification(event_to_notification(event, {}))

    async def call(self, ctx: Any, params: mcp.CallToolRequestParams) -> mcp.CallToolResult:
        """`touch` says that a note changed, `grow` adds a tool."""
        if params.name == "grow":
            self.tools.append(f"tool_{len(self.tools)}")
            await self.publish(ToolsListChanged())
        else:
            await self.publish(ResourceUpdated(uri=str((params.arguments or {})["uri"])))
        return mcp.CallToolResult(content=[mcp.TextContent(type="text", text="done")])

    def _server(self) -> Server[Any]:
        async def list_tools(ctx: Any, params: Any) -> mcp.ListToolsResult:
            return mcp.ListToolsResult(
                tools=[mcp.Tool(name=name, input_schema=SCHEMA) for name in self.tools]
            )

        async def list_resources(ctx: Any, params: Any) -> mcp.ListResourcesResult:
            return mcp.ListResourcesResult(resources=[mcp.Resource(uri=uri, name=uri[7:]) for uri in NOTES])

        async def read(ctx: Any, params: mcp.ReadResourceRequestParams) -> mcp.ReadResourceResult:
            return mcp.ReadResourceResult(contents=[mcp.TextResourceContents(uri=params.uri, text="note")])

        async def subscribe(ctx: Any, params: mcp.SubscribeRequestParams) -> mcp.EmptyResult:
            self.subscribed.add((known(ctx), params.uri))
            return mcp.EmptyResult()

        async def unsubscribe(ctx: Any, params: mcp.UnsubscribeRequestParams) -> mcp.EmptyResult:
            self.subscribed.discard((known(ctx), params.uri))
            return mcp.EmptyResult()

        def known(ctx: Any) -> int:
            session = ctx.request.headers.get("mcp-session-id") if ctx.request is not None else "stdio"
            name = hash(session)
            self.sessions[name] = ctx.session
            return name

        async def observe(ctx: Any, call_next: Any) -> Any:
            if ctx.request is None or ctx.request.headers.get("mcp-session-id"):
                known(ctx)
            return await call_next(ctx)

        server = Server(
            "changing",
            on_list_tools=list_tools,
            on_call_tool=self.call,
            on_list_resources=list_resources,
            on_read_resource=read,
            on_subscribe_resource=subscribe,
            on_unsubscribe_resource=unsubscribe,
            on_subscriptions_listen=ListenHandler(self.bus),
        )
        server.middleware.append(observe)
        offered = server.get_capabilities

        def capabilities(*args: Any, **kwargs: Any) -> mcp.ServerCapabilities:
            found = offered(*args, **kwargs)
            assert found.tools is not None
            found.tools.list_changed = True
            return found

        server.get_capabilities = capabilities  # type: ignore[method-assign]
        return server


async def over_stdio(server: Server[Any]) -> None:
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


def main() -> None:
    changing = Changing()
    era, *port = sys.argv[1:]
    if era == "stdio":
        asyncio.run(over_stdio(changing.server))
        return
    app = OneEra(changing.server.streamable_http_app(host=LOOPBACK), modern=era == "modern")
    uvicorn.run(app, host=LOOPBACK, port=int(port[0]), log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
