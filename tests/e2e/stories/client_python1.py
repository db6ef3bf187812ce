"""Version 1 of the official Python SDK as the client of the story."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import story
from mcp import ClientSession, McpError, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl
from story import Json, Refused, Running


class Adapter:
    legacy = listens = logs = True

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.logged: list[str] = []
        self.version = ""
        self.session: ClientSession

    async def take(self, message: Any) -> None:
        """The handler of everything that is no answer."""
        if isinstance(message, types.ServerNotification):
            match message.root:
                case types.ToolListChangedNotification():
                    self.heard.append("tools")
                case types.ResourceUpdatedNotification(params=params):
                    self.heard.append(str(params.uri))

    async def log(self, params: types.LoggingMessageNotificationParams) -> None:
        self.logged.append(params.data)

    async def elicit(self, context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Anna"})

    async def sample(self, context: Any, params: Any) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", model="m1", content=types.TextContent(type="text", text="more")
        )

    async def roots(self, context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri="file:///work")])  # type: ignore[arg-type]

    async def wire(self, doing: Any) -> Json:
        try:
            result = await doing
        except McpError as problem:
            error = problem.error
            raise Refused(error.code, error.message, error.data) from problem
        dumped: Json = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        return dumped

    async def call(self, name: str, arguments: Json, progress: Callable[..., Any] | None = None) -> Json:
        return await self.wire(self.session.call_tool(name, arguments, progress_callback=progress))

    async def cancel(self, name: str, running: Running) -> None:
        number = self.session._request_id
        calling = asyncio.create_task(self.session.call_tool(name, {}))
        await asyncio.sleep(0)  # it begins, and takes the number
        await running()
        params = types.CancelledNotificationParams(requestId=number, reason="the story says so")
        notification = types.CancelledNotification(params=params)
        await self.session.send_notification(types.ClientNotification(notification))
        calling.cancel()
        await asyncio.wait({calling})

    async def listed(self, what: str) -> list[Json]:
        ways: dict[str, Any] = {
            "tools": self.session.list_tools,
            "prompts": self.session.list_prompts,
            "resources": self.session.list_resources,
            "templates": self.session.list_resource_templates,
        }
        member = {"templates": "resourceTemplates"}.get(what, what)
        found: list[Json] = (await self.wire(ways[what]()))[member]
        return found

    async def read(self, uri: str) -> Json:
        return await self.wire(self.session.read_resource(AnyUrl(uri)))

    async def prompt(self, name: str, arguments: Json) -> Json:
        return await self.wire(self.session.get_prompt(name, arguments))

    async def complete(self, ref: Json, argument: Json) -> Json:
        return await self.wire(self.session.complete(types.PromptReference.model_validate(ref), argument))

    async def level(self, level: str) -> None:
        await self.wire(self.session.set_logging_level(level))  # type: ignore[arg-type]

    async def ping(self) -> None:
        await self.wire(self.session.send_ping())

    async def subscribe(self, uri: str) -> None:
        await self.wire(self.session.subscribe_resource(AnyUrl(uri)))

    @asynccontextmanager
    async def listening(self, uri: str | None) -> AsyncIterator[None]:
        if uri is not None:
            await self.subscribe(uri)
        yield
        if uri is not None:
            await self.wire(self.session.unsubscribe_resource(AnyUrl(uri)))


@asynccontextmanager
async def connect(target: Json) -> AsyncIterator[Adapter]:
    made = Adapter()
    async with AsyncExitStack() as stack:
        http = httpx.AsyncClient(headers={"Authorization": f"Bearer {target['key']}"}, timeout=60)
        await stack.enter_async_context(http)
        ends = await stack.enter_async_context(streamable_http_client(target["url"], http_client=http))
        made.session = ClientSession(
            *ends[:2],
            elicitation_callback=made.elicit,
            sampling_callback=made.sample,
            list_roots_callback=made.roots,
            logging_callback=made.log,
            message_handler=made.take,
        )
        await stack.enter_async_context(made.session)
        made.version = str((await made.session.initialize()).protocolVersion)
        yield made


if __name__ == "__main__":
    story.main(connect)
