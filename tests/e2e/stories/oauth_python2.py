"""`oauth_python2.py MODE TARGET`: version 2 of the official Python SDK signs in."""

import asyncio
import sys

import httpx2
import signing_in
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult
from mcp.client.streamable_http import streamable_http_client


async def main() -> None:
    target = signing_in.target()
    application = signing_in.Application(target, lambda came: AuthorizationCodeResult(**came))
    async with (
        httpx2.AsyncClient(auth=application.auth, timeout=60) as http,
        Client(
            streamable_http_client(target["url"], http_client=http),
            mode=sys.argv[1],
            cache=None,
            read_timeout_seconds=60,
        ) as client,
    ):
        names = [tool.name for tool in (await client.list_tools()).tools]
        await signing_in.tell(target, names, client.call_tool, application.memory)


asyncio.run(main())
