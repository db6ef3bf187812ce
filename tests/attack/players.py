"""One hostile piece on every transport and in both eras: a server that says what a call tells it to.

The call's argument `play` is a list of (how often, line). In a line `$id` is the request's id, `$next` the
one after it, `$n` a number that grows; an empty line is the honest answer, whose text is "yours".
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from doorward.model.call import Era, Reply
from doorward.upstream.server import Server
from doorward.upstream.settings import ServerSettings
from tests.attack.hostile_server import END, STREAM, Events, Message, Request, http, lab, permit
from tests.attack.hostile_stream import Post, stream_lab

PLAYER = str(Path(__file__).with_name("hostile_player.py"))
FACES = ("http", "http-modern", "sse", "stdio", "stdio-modern")
ON_CHANNEL = ("sse", "stdio", "stdio-modern")
"""Everything that a server says comes the same way there."""
YOURS = '{"jsonrpc":"2.0","id":$id,"result":{"content":[{"type":"text","text":"yours"}]}}'
Piece = list[tuple[int, str]]
DISCOVERED: Message = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}


def lines(message: Message) -> Iterator[str]:
    """What a request tells its server to say."""
    number = message["id"]
    for times, line in message["params"]["arguments"].get("play", [(1, "")]):
        text = (line or YOURS).replace("$id", str(number)).replace("$next", str(number + 1))
        for at in range(times):
            yield text.replace("$n", str(at))


async def over_http(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM)
    for line in lines(request.message):
        text = b"data: " + line.encode() + b"\n\n"
        writer.write(b"%x\r\n%b\r\n" % (len(text), text))
        await writer.drain()
    writer.write(END)


async def over_sse(post: Post) -> None:
    assert post.stream is not None
    for line in lines(post.message):
        post.stream.say(line)
        await post.stream.writer.drain()


def era_of(face: str) -> Era:
    return Era.MODERN if face.endswith("modern") else Era.LEGACY


@asynccontextmanager
async def player(face: str, **settings: Any) -> AsyncIterator[Server]:
    """A started server that plays."""
    if face.startswith("http"):
        async with lab(**settings) as (made, server):
            made.acts["tools/call"] = over_http
            if face == "http-modern":
                made.acts["server/discover"] = lambda asked, to: to.write(http(200, asked.result(DISCOVERED)))
            yield server
    elif face == "sse":
        async with stream_lab(**settings) as (stage, server):
            stage.acts["tools/call"] = over_sse
            yield server
    else:
        manners = ("modern",) if face == "stdio-modern" else ()
        command = (sys.executable, "-S", "-E", PLAYER, *manners)
        made_of = ServerSettings(name="lab", command=command, probe_s=1.0, stop_s=1.0, **settings)
        server = Server(made_of)
        await server.start()
        try:
            yield server
        finally:
            await server.close(1.0)


async def play(
    server: Server,
    face: str,
    piece: Piece,
    *,
    agent: str = "agent",
    events: Events | None = None,
    **options: Any,
) -> Reply:
    """The reply to a call by a caller of the server's own era. Raises what the call raises."""
    params = {"name": "x", "arguments": {"play": piece}}
    era = options.pop("era", era_of(face))
    return await server.send(permit(params=params, era=era, agent=agent, events=events, **options))


@asynccontextmanager
async def memory_stays(within_mb: float) -> AsyncIterator[None]:
    """The resident memory of this process, which plays both sides, never grows by more than that."""
    most = before = resident_mb()

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, resident_mb())
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        most = max(most, resident_mb())
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    assert most - before < within_mb, f"grew by {most - before:.0f} MB"


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
