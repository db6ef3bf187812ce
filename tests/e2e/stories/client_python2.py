"""`client_python2.py MODE`: version 2 of the official Python SDK as the client of the story."""

import asyncio
import sys
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import story
from mcp import Client, MCPError, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning
from story import Json, Refused, Running

MODE = sys.argv[1]


class Adapter:
    listens = logs = True

    def __init__(self, target: Json, http: httpx2.AsyncClient) -> None:
        self.heard: list[str] = []
        self.logged: list[str] = []
        self.client = Client(
            streamable_http_client(target["url"], http_client=http),
            mode=MODE,
            elicitation_callback=self.elicit,
            sampling_callback=self.sample,
            list_roots_callback=self.roots,
            logging_callback=self.log,
            log_level="info",
            message_handler=self.take,
            cache=None,
            read_timeout_seconds=60,
        )

    @property
    def version(self) -> str:
        return str(self.client.protocol_version)

    @property
    def legacy(self) -> bool:
        return self.version < "2026"

    async def take(self, message: Any) -> None:
        """The handler of everything that is no answer; legacy only."""
        match getattr(message, "method", ""):
            case "notifications/tools/list_changed":
                self.heard.append("tools")
            case "notifications/resources/updated":
                self.heard.append(str(message.params.uri))

    async def log(self, params: Any) -> None:
        self.logged.append(params.data)

    async def elicit(self, context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Anna"})

    async def sample(self, context: Any, params: Any) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", model="m1", content=types.TextContent(type="text", text="more")
        )

    async def roots(self, context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri="file:///work")])

    async def wire(self, doing: Any) -> Json:
        try:
            result = await doing
        except MCPError as problem:
            error = problem.error
            raise Refused(error.code, error.message, error.data) from problem
        dumped: Json = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        return dumped

    async def call(self, name: str, arguments: Json, progress: Callable[..., Any] | None = None) -> Json:
        return await self.wire(self.client.call_tool(name, arguments, progress_callback=progress))

    async def cancel(self, name: str, running: Running) -> None:
        calling = asyncio.create_task(self.client.call_tool(name, {}))
        await running()
        calling.cancel()
        await asyncio.wait({calling})

    async def listed(self, what: str) -> list[Json]:
        ways: dict[str, Any] = {
            "tools": self.client.list_tools,
            "prompts": self.client.list_prompts,
            "resources": self.client.list_resources,
            "templates": self.client.list_resource_templates,
        }
        member = {"templates": "resourceTemplates"}.get(what, what)
        found: list[Json] = (await self.wire(ways[what]()))[member]
        return found

    async def read(self, uri: str) -> Json:
        return await self.wire(self.client.read_resource(uri))

    async def prompt(self, name: str, arguments: Json) -> Json:
        return await self.wire(self.client.get_prompt(name, arguments))

    async def complete(self, ref: Json, argument: Json) -> Json:
        return await self.wire(self.client.complete(types.PromptReference.model_validate(ref), argument))

    async def level(self, level: str) -> None:
        """Modern requests carry it, each its own."""
        if self.legacy:
            await self.wire(self.client.set_logging_level(level))  # type: ignore[arg-type]

    async def ping(self) -> None:
        await self.wire(self.client.send_ping())

    async def subscribe(self, uri: str) -> None:
        await self.wire(self.client.subscribe_resource(uri))

    @asynccontextmanager
    async def listening(self, uri: str | None) -> AsyncIterator[None]:
        uris = [] if uri is None else [uri]
        if self.legacy:
            for one in uris:
                await self.subscribe(one)
            yield
            for one in uris:
                await self.wire(self.client.unsubscribe_resource(one))
            return
        async with self.client.listen(tools_list_changed=True, resource_subscriptions=uris) as subscription:

            async def take() -> None:
                async for event in subscription:
                    self.heard.append(str(getattr(event, "uri", "tools")))

            taking = asyncio.create_task(take())
            try:
                yield
            finally:
                taking.cancel()
                await asyncio.wait({taking})


@asynccontextmanager
async def connect(target: Json) -> AsyncIterator[Adapter]:
    headers = {"Authorization": f"Bearer {target['key']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        made = Adapter(target, http)
        async with made.client:
            yield made


if __name__ == "__main__":
    # Deprecated in 2026-07-28, and what a client of before has.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    story.main(connect)
