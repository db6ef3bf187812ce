"""Version 1 of the official Python SDK signs in."""

import asyncio

import httpx
import signing_in
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def main() -> None:
    target = signing_in.target()
    application = signing_in.Application(target, lambda came: (came["code"], came["state"]))
    async with (
        httpx.AsyncClient(auth=application.auth, timeout=60) as http,
        streamable_http_client(target["url"], http_client=http) as ends,
        ClientSession(*ends[:2]) as session,
    ):
        await session.initialize()
        names = [tool.name for tool in (await session.list_tools()).tools]
        await signing_in.tell(target, names, session.call_tool, application.memory)


asyncio.run(main())
