"""A key that names networks, on connections where it matters who is behind them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from doorward.app import keys as key_commands
from doorward.app.process import Process
from doorward.backends.files.read import last_records
from doorward.config.load import load
from doorward.control.keys import Wanted

pytestmark = pytest.mark.asyncio
TEXT = """\
version: 1
gateway: {listen: "127.0.0.1:0", state: state, trusted_proxies: [127.0.0.1], admin: false}
auth: {keys: true}
agents: {bot: {}}
"""
BODY = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
KNOWN, REFUSED = "session_required", "credential_invalid"
INSIDE, OUTSIDE = "10.1.2.3", "192.0.2.7"


class Connection:
    """One connection of a trusted proxy, on which many clients' requests come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, key: str, *forwarded: str) -> str:
        """The reason that a call gets which the proxy says is from `forwarded`."""
        fields = "".join(f"X-Forwarded-For: {each}\r\n" for each in forwarded)
        self._writer.write(
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n{fields}"
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
            f"Content-Length: {len(BODY)}\r\n\r\n".encode()
            + BODY
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        body = json.loads(await self._reader.readexactly(int(length.partition(":")[2])))
        return str(body["error"]["data"]["reason"])


@pytest_asyncio.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    config = tmp_path / "doorward.yaml"
    config.write_text(TEXT)
    opened = await Process.open(load(config))
    yield opened
    await opened.drain(1)
    await opened.close()


async def key(process: Process, *networks: str) -> str:
    def create() -> str:
        with key_commands.open_keys(process.world.loaded) as keys:
            return str(keys.create(Wanted(agent="bot", networks=networks or None))["key"])

    made = await asyncio.to_thread(create)
    await process._watch.look()
    return made


@asynccontextmanager
async def connection(process: Process) -> AsyncIterator[Connection]:
    [url] = await process.listen(lambda _: None)
    host, _, port = url.removeprefix("http://").removesuffix("/mcp").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_clients_of_one_connection_are_told_apart(process: Process) -> None:
    mine, plain = await key(process, "10.0.0.0/8"), await key(process)
    async with connection(process) as through:
        for _ in range(3):
            for _ in range(3):  # a head that comes again is not looked at again
                assert await through.ask(mine, INSIDE) == KNOWN
            for _ in range(3):
                assert await through.ask(mine, OUTSIDE) == REFUSED
                assert await through.ask(plain, OUTSIDE) == KNOWN
    log = Path(process.world.loaded.settings.gateway.state) / "audit"
    lines = [json.loads(line) for line in last_records(log, 100)]
    assert {line["reason"] for line in lines if line["kind"] == "refusal"} == {"network_forbidden"}


async def test_what_a_client_says_of_itself_does_not_count(process: Process) -> None:
    mine = await key(process, "10.0.0.0/8")
    async with connection(process) as through:
        assert await through.ask(mine) == REFUSED, "the proxy itself is not inside"
        assert await through.ask(mine, f"{INSIDE}, {OUTSIDE}") == REFUSED
        assert await through.ask(mine, f"{OUTSIDE}, {INSIDE}") == KNOWN
        assert await through.ask(mine, f"::ffff:{INSIDE}") == KNOWN
        for odd in ("10.1.2.3.4", "10.1.2", "0x0a010203", "10.1.2.3/8", "unix"):
            assert await through.ask(mine, odd) != KNOWN, odd
