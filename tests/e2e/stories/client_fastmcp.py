"""`client_fastmcp.py MODE`: PyPI's fastmcp as the client of the story; in the modern era it never listens."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import story
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp import MCPError
from story import Json, Refused, Running

MODE = sys.argv[1]


class Adapter:
    def __init__(self, target: Json) -> None:
        self.heard: list[str] = []
        self.logged: list[str] = []
        headers = {"Authorization": f"Bearer {target['key']}"}
        self.client: Client[Any] = Client(
            StreamableHttpTransport(target["url"], headers=headers),
            mode=MODE,  # type: ignore[arg-type]
            elicitation_handler=self.elicit,
            sampling_handler=self.sample,
            roots=["file:///work"],
            log_handler=self.log,
            message_handler=self.take,
            timeout=60,
        )

    @property
    def version(self) -> str:
        return str(self.client.protocol_version)

    @property
    def legacy(self) -> bool:
        return self.version < "2026"

    @property
    def listens(self) -> bool:
        return self.legacy

    @property
    def logs(self) -> bool:
        """A modern request of this client never says that it wants log messages."""
        return self.legacy

    async def take(self, message: Any) -> None:
        match getattr(message, "method", ""):
            case "notifications/tools/list_changed":
                self.heard.append("tools")
            case "notifications/resources/updated":
                self.heard.append(str(message.params.uri))

    async def log(self, params: Any) -> None:
        self.logged.append(params.data)

    async def elicit(self, message: str, kind: Any, params: Any, context: Any) -> Json:
        return {"name": "Anna"}

    async def sample(self, messages: Any, params: Any, context: Any) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", model="m1", content=types.TextContent(type="text", text="more")
        )

    async def wire(self, doing: Any) -> Json:
        try:
            result = await doing
        except MCPError as problem:
            error = problem.error
            raise Refused(error.code, error.message, error.data) from problem
        dumped: Json = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        return dumped

    async def call(self, name: str, arguments: Json, progress: Callable[..., Any] | None = None) -> Json:
        return await self.wire(self.client.call_tool_mcp(name, arguments, progress_handler=progress))

    async def cancel(self, name: str, running: Running) -> None:
        calling = asyncio.create_task(self.client.call_tool_mcp(name, {}))
        await running()
        calling.cancel()
        await asyncio.wait({calling})

    async def listed(self, what: str) -> list[Json]:
        ways: dict[str, Any] = {
            "tools": self.client.list_tools_mcp,
            "prompts": self.client.list_prompts_mcp,
            "resources": self.client.list_resources_mcp,
            "templates": self.client.list_resource_templates_mcp,
        }
        member = {"templates": "resourceTemplates"}.get(what, what)
        found: list[Json] = (await self.wire(ways[what]()))[member]
        return found

    async def read(self, uri: str) -> Json:
        return await self.wire(self.client.read_resource_mcp(uri))

    async def prompt(self, name: str, arguments: Json) -> Json:
        return await self.wire(self.client.get_prompt_mcp(name, arguments))

    async def complete(self, ref: Json, argument: Json) -> Json:
        return await self.wire(self.client.complete_mcp(types.PromptReference.model_validate(ref), argument))

    async def level(self, level: str) -> None:
        if self.legacy:
            await self.client.set_logging_level(level)  # type: ignore[arg-type]

    async def ping(self) -> None:
        assert await self.client.ping()

    async def subscribe(self, uri: str) -> None:
        await self.wire(self.client.session.subscribe_resource(uri))

    @asynccontextmanager
    async def listening(self, uri: str | None) -> AsyncIterator[None]:
        if uri is not None:
            await self.subscribe(uri)
        yield
        if uri is not None:
            await self.wire(self.client.session.unsubscribe_resource(uri))


@asynccontextmanager
async def connect(target: Json) -> AsyncIterator[Adapter]:
    made = Adapter(target)
    async with made.client:
        yield made


if __name__ == "__main__":
    story.main(connect)
