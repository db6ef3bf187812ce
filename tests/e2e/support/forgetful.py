"""A legacy server that asks on its session's GET stream and forgets what it asks while nobody listens there,
as the official TypeScript SDK does with what belongs to no call. Its answers to GET take their time."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

LOOPBACK = "127.0.0.1"
SLOW_S = 0.2
FORM = {"type": "object", "properties": {"name": {"type": "string"}}}


class Forgetful:
    """All sessions; a session is a number."""

    def __init__(self) -> None:
        self.sessions = 0
        self.listening: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self.asked: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def get(self, request: Request) -> Response:
        await asyncio.sleep(SLOW_S)
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.listening[request.headers["mcp-session-id"]] = said

        async def events() -> AsyncIterator[str]:
            while True:
                yield f"data: {json.dumps(await said.get())}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def post(self, request: Request) -> Response:
        message = await request.json()
        session = request.headers.get("mcp-session-id", "")
        fields: dict[str, str] = {}
        match message.get("method"):
            case "initialize":
                self.sessions += 1
                fields["mcp-session-id"] = str(self.sessions)
                result: dict[str, Any] = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "forgetful", "version": "1"},
                }
            case "tools/list":
                result = {"tools": [{"name": "ask", "inputSchema": {"type": "object"}}]}
            case "tools/call":
                result = {"content": [{"type": "text", "text": await self.ask(session)}]}
            case "server/discover":
                return Response(status_code=400)
            case None:
                self.asked[session].set_result(message["result"])
                return Response(status_code=202)
            case _:
                return Response(status_code=202)
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": result}, headers=fields)

    async def ask(self, session: str) -> str:
        said = self.listening.get(session)
        if said is None:
            return "nobody listens"
        self.asked[session] = answered = asyncio.get_running_loop().create_future()
        params = {"message": "Who are you?", "requestedSchema": FORM}
        said.put_nowait({"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": params})
        return str((await answered)["content"]["name"])


def main() -> None:
    server = Forgetful()
    routes = [Route("/mcp", server.get, methods=["GET"]), Route("/mcp", server.post, methods=["POST"])]
    app = Starlette(routes=routes)
    port = int(sys.argv[1])
    uvicorn.run(app, host=LOOPBACK, port=port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
