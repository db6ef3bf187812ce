"""`oauth_fastmcp.py MODE TARGET`: PyPI's fastmcp signs in, with a server of its own for what comes back."""

import asyncio
import sys
import threading
import time
import warnings
import webbrowser

import httpx2
import signing_in
from fastmcp import Client
from fastmcp.client.auth import OAuth

PATIENCE_S = 60.0


def open_browser(url: str) -> bool:
    """In place of the one that this machine may have."""
    signing_in.say(authorize=url)
    threading.Thread(target=come_back, daemon=True).start()
    return True


def come_back() -> None:
    """The server that waits for it starts after the browser."""
    url, late = sys.stdin.readline().strip(), time.monotonic() + PATIENCE_S
    while time.monotonic() < late:
        try:
            httpx2.get(url, timeout=PATIENCE_S)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return


async def main() -> None:
    target = signing_in.target()
    warnings.filterwarnings("ignore", "Using in-memory token storage")
    auth = OAuth(target["url"], callback_host="127.0.0.1")
    async with Client(target["url"], auth=auth, mode=sys.argv[1], timeout=60) as client:  # type: ignore[arg-type]
        names = [tool.name for tool in await client.list_tools()]
        await signing_in.tell(target, names, client.call_tool_mcp, auth.token_storage_adapter)


webbrowser.open = open_browser  # type: ignore[assignment]
asyncio.run(main())
