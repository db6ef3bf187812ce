"""`python -m tests.conformance.shim PORT UPSTREAM SERVER`: UPSTREAM/mcp as SERVER alone, at PORT.

A proxy of the test between the suite, which knows no prefixes, and the aggregate endpoint: it translates
names and URIs both ways, shows the entries of one server, and leaves all else as it is, wrong messages too.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.conformance.shim.names import Names

HOST: Final = "127.0.0.1"
MODERN: Final = "2026-07-28"
_HOP: Final = frozenset({"connection", "content-length", "transfer-encoding", "host", "accept-encoding"})
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Shim:
    """One endpoint; every request becomes one to the upstream."""

    def __init__(self, port: int, upstream: str, server: str) -> None:
        self._here = f"{HOST}:{port}"
        self._there = upstream.removeprefix("http://")
        self._url = f"{upstream}/mcp"
        self._names = Names(server)
        self._http = httpx2.AsyncClient(timeout=None)

    @asynccontextmanager
    async def learned(self, app: Any) -> AsyncIterator[None]:
        """Knows all names before the first request comes."""
        for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": _META}}
            fields = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            fields["Accept"] = "application/json, text/event-stream"
            answer = await self._http.post(self._url, json=body, headers=fields)
            self._names.reply(answer.json())
        yield
        await self._http.aclose()

    async def __call__(self, request: Request) -> Response:
        body = self._body(await request.body())
        ours = self._http.build_request(
            request.method, self._url, headers=self._headers(request), content=body
        )
        answer = await self._http.send(ours, stream=True)
        fields = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return StreamingResponse(self._events(answer), answer.status_code, fields)
        content = self._translated(await answer.aread())
        await answer.aclose()
        return Response(content, answer.status_code, fields)

    def _headers(self, request: Request) -> list[tuple[str, str]]:
        """All but those of the connection; an honest Host becomes the upstream's, a forged one stays."""
        fields = [(name, value) for name, value in request.headers.items() if name not in _HOP]
        host = request.headers.get("host", "")
        fields.append(("host", self._there if host == self._here else host))
        return [
            (
                name,
                self._names.exposed(value.strip())
                if name == "mcp-name"
                else value.replace(self._here, self._there),
            )
            for name, value in fields
        ]

    def _body(self, body: bytes) -> bytes:
        try:
            return json.dumps(self._names.request(json.loads(body))).encode()
        except ValueError:
            return body

    def _translated(self, content: bytes) -> bytes:
        try:
            return json.dumps(self._names.reply(json.loads(content))).encode()
        except ValueError:
            return content

    async def _events(self, answer: httpx2.Response) -> AsyncIterator[bytes]:
        try:
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield b"data: " + self._translated(line.removeprefix("data:").strip().encode()) + b"\n"
                else:
                    yield line.encode() + b"\n"
        except httpx2.HTTPError:
            pass  # the stream broke, and so does ours
        finally:
            await answer.aclose()


def main() -> None:
    port = int(sys.argv[1])
    shim = Shim(port, sys.argv[2], sys.argv[3])
    app = Starlette(
        routes=[Route("/mcp", shim.__call__, methods=["GET", "POST", "DELETE"])], lifespan=shim.learned
    )
    uvicorn.run(app, host=HOST, port=port, http="h11", log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
