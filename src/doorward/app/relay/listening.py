"""The GET stream of a legacy session (MCP 2025-11-25, "Listening for Messages from the Server")."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from doorward.app.relay import answers
from doorward.app.relay.leg import Leg, Reply
from doorward.app.relay.peer import Fields
from doorward.model.errors import UpstreamError
from doorward.wire import jsonrpc
from doorward.wire.errors import WireError

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
SETTLED_S: Final = 30.0
"""A stream that lasted this long was no failed attempt."""

Sleep = Callable[[float], Awaitable[None]]


async def listen(
    leg: Leg, fields: Fields, emit: Callable[[bytes], Awaitable[None]], sleep: Sleep = asyncio.sleep
) -> None:
    """Relay what the gateway says of its own accord, until it says that it will not (any 4xx).

    405 means it offers no stream, 404 that the session is over, 401 and 403 that the key is not accepted any
    more. A stream that ends or breaks off is opened again, after `FIRST_WAIT_S` and then ever longer. Cancel
    it when the session ends.
    """
    loop = asyncio.get_running_loop()
    wait = FIRST_WAIT_S
    while True:
        began = loop.time()
        try:
            async with leg.exchange(b"GET", fields) as reply:
                if reply.streams:
                    await _relay(reply, emit)
                elif 400 <= reply.status < 500 and reply.status != 429:
                    return
        except UpstreamError:
            pass  # it may break off at any time; the next attempt is below
        wait = FIRST_WAIT_S if loop.time() - began >= SETTLED_S else wait
        await sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT_S)


async def _relay(reply: Reply, emit: Callable[[bytes], Awaitable[None]]) -> None:
    while (data := await reply.next()) is not None:
        try:
            found = answers.split(data)
        except WireError:
            return  # whatever this is, it is not our gateway's stream any more
        for message, raw in found:
            # An answer on this stream answers nothing that the client asked here.
            if isinstance(message, jsonrpc.UpstreamNotification | jsonrpc.UpstreamRequest):
                await emit(raw)
