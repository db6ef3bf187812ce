"""Exchanges without a connection: what is sent stays here."""

import asyncio
import json
from typing import Any

from doorward.edge.exchange import Exchange, FieldBlocks, HeaderFields, HttpRequest
from doorward.edge.head import Head
from doorward.edge.limits import Refusal
from doorward.model.certificate import ClientCertificate


class Channel:
    """Takes everything, unless `write_paused`."""

    def __init__(self, peer: str) -> None:
        self.peer = self.origin = peer
        self.relayed = False
        self.certificate: ClientCertificate | None = None
        self.refuses: Refusal | None = None
        """What `attribute` answers."""
        self.blocks = FieldBlocks()
        self.draining = False
        self.write_paused = False
        self.out = b""
        self.ended = asyncio.Event()

    def send(self, data: bytes) -> None:
        self.out += data

    def writable(self) -> asyncio.Future[None]:
        raise AssertionError("nobody waits here")

    def attribute(self, peer: str) -> Refusal | None:
        self.peer = peer
        self.relayed = True
        return self.refuses

    def answer(self, exchange: Exchange, status: int, headers: HeaderFields, body: bytes) -> bool:
        if self.draining:
            return False
        self.send(self.blocks.whole(status, headers, len(body)) + body)
        self.finished(exchange, keep_alive=True)
        return True

    def finished(self, exchange: Exchange, *, keep_alive: bool) -> None:
        self.ended.set()

    @property
    def status(self) -> int:
        return int(self.out.split(b" ")[1])

    @property
    def fields(self) -> dict[str, str]:
        head = self.out.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in head)

    @property
    def body(self) -> bytes:
        return self.out.partition(b"\r\n\r\n")[2]

    @property
    def error(self) -> tuple[int, int, str]:
        """HTTP status, JSON-RPC code, reason."""
        said = json.loads(self.body)["error"]
        return self.status, said["code"], said["data"]["reason"]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The messages of a chunked event stream."""
        return [json.loads(line[6:]) for line in self.body.split(b"\n") if line.startswith(b"data: ")]


def exchange(
    method: bytes = b"POST",
    path: str = "/mcp/bank",
    headers: dict[bytes, bytes] | None = None,
    body: bytes = b"",
    *,
    peer: str = "192.0.2.1",
) -> tuple[Exchange, Channel]:
    """Of a request that passes the guard, unless `headers` say otherwise."""
    given = {b"host": b"localhost:1", b"content-type": b"application/json"} | (headers or {})
    channel = Channel(peer)
    return Exchange(HttpRequest(head(method, path, given), body), channel, True), channel


def head(method: bytes, path: str, headers: dict[bytes, bytes]) -> Head:
    return Head(method, path.encode(), path, "", headers, (1, 1), 0, True, False, plain=method == b"POST")
