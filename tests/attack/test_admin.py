"""Attacks on the admin plane below its API: heads, floods and silence, against the real process."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doorward.app.admin import place
from doorward.app.admin.bootstrap import ensure_owner
from doorward.app.admin.messages import Hello
from doorward.app.admin.plane import AdminPlane
from doorward.audit.records import Actor
from doorward.backends.files.ring import FileRing
from doorward.backends.sql.sqlite import open_sqlite
from doorward.config.values import Listen
from doorward.upstream.warden import Warden

pytestmark = pytest.mark.asyncio
WITHIN_S = 60.0
"""What takes two seconds; a busy machine needs more."""


class Plane:
    """A plane over a state directory, and what it said."""

    def __init__(self, plane: AdminPlane, token: str, said: list[str], refused: list[str]) -> None:
        self.plane, self.token, self.said, self.refused = plane, token, said, refused
        host, _, port = plane.address.rpartition(":")
        self.address = (host, int(port))

    async def raw(self, head: bytes) -> bytes:
        """Everything that comes back until the other side closes."""
        reader, writer = await asyncio.open_connection(*self.address)
        async with asyncio.timeout(WITHIN_S):
            writer.write(head)
            answer = b""
            while piece := await self._read(reader):
                answer += piece
        writer.close()
        return answer

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read(65536)
        except ConnectionResetError:
            return b""

    async def status(self, *, path: str = "/api/v1/whoami", more: bytes = b"") -> int:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n".encode()
        answer = await self.raw(head + more + b"Connection: close\r\n\r\n")
        return int(answer.split(b" ")[1])


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Plane]:
    store, ring = open_sqlite(folder / "doorward.db"), FileRing(folder / "secrets.json")
    said: list[str] = []
    refused: list[str] = []
    token = ensure_owner(folder, store, ring, actor=Actor("root", "cli"), now=time.time(), say=said.append)
    store.close()
    assert token is not None
    listening = place.bind(Listen("127.0.0.1", 0))
    hello = Hello(str(folder / "doorward.db"), str(folder / "secrets.json"), place.name(listening))
    verbs = {
        "apply": lambda _: None,
        "state": lambda _: {"status": "ready"},
        "refused": lambda raw: refused.extend(each[0] for each in json.loads(bytes(raw))["refusals"]),
    }
    warden = Warden()
    plane = AdminPlane(listening, hello, verbs, said.append, warden)
    plane.attend()
    try:
        yield Plane(plane, token, said, refused)
    finally:
        await plane.close()
        await warden.close()


async def test_bad_heads_are_refused_and_cost_the_connection_only(tmp_path: Path) -> None:
    async with opened(tmp_path) as plane:
        host = b"Host: 127.0.0.1\r\n"
        for head in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"Host: evil.example\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
            b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
            b"POST /api/v1/keys HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            b"POST /api/v1/keys HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"no http at all\r\n\r\n",
        ):
            answer = await plane.raw(head)
            assert not answer or answer.split(b" ")[1] in {b"400", b"401", b"403", b"501"}, (
                head[:60],
                answer[:90],
            )
        pid = plane.plane.pid
        assert await plane.status() == 200
        assert plane.plane.pid == pid


async def test_a_large_body_is_not_taken_in(tmp_path: Path) -> None:
    async with opened(tmp_path) as plane:
        head = (
            b"POST /api/v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\n"
        )
        good = b"Authorization: Bearer " + plane.token.encode() + b"\r\n"
        length = b"Content-Length: 2000000\r\n\r\n"
        answer = await plane.raw(head + good + length + b" " * 200_000)
        assert b" 413 " in answer.split(b"\r\n")[0]
        answer = await plane.raw(head + b"Authorization: Bearer dwa_x\r\n" + length)
        assert b" 401 " in answer.split(b"\r\n")[0]
        assert plane.refused == ["credential_invalid"]
        assert await plane.status() == 200


async def test_silence_and_slowness_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as plane:
        assert await plane.status() == 200
        began = time.monotonic()
        silent, slow = await asyncio.gather(plane.raw(b""), plane.raw(b"GET / HTTP/1.1\r\nHost: 127"))
        assert (silent, slow) == (b"", b"")
        assert time.monotonic() - began < WITHIN_S
        assert await plane.status() == 200


async def test_a_flood_of_silent_connections_passes(tmp_path: Path) -> None:
    async with opened(tmp_path) as plane:
        assert await plane.status() == 200
        flood = [socket.create_connection(plane.address) for _ in range(400)]
        try:
            async with asyncio.timeout(2 * WITHIN_S):
                while await plane.status() != 200:  # noqa: ASYNC110 - as who comes meanwhile would
                    await asyncio.sleep(0.2)
        finally:
            for each in flood:
                each.close()


async def test_one_that_dies_again_and_again_is_started_at_a_growing_pace(tmp_path: Path) -> None:
    async with opened(tmp_path) as plane:
        for number in range(3):
            assert await plane.status() == 200
            child = plane.plane._child
            assert child is not None
            child._process.kill()
            async with asyncio.timeout(WITHIN_S):
                while len(plane.said) < 4 + number:  # noqa: ASYNC110 - its death is nobody's event
                    await asyncio.sleep(0.02)
        assert [line.rpartition(" in ")[2] for line in plane.said[3:]] == ["0.5 s", "1 s", "2 s"]


async def test_a_process_that_cannot_be_started_is_no_end_of_anything(tmp_path: Path) -> None:
    async with opened(tmp_path) as plane:
        (tmp_path / "secrets.json").chmod(0o644)  # so it refuses to start
        answers = asyncio.create_task(plane.status())
        async with asyncio.timeout(WITHIN_S):
            while len(plane.said) < 4:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        assert "ended (exit status 1)" in plane.said[3]
        (tmp_path / "secrets.json").chmod(0o600)
        assert await answers == 200  # who had connected meanwhile has only waited
