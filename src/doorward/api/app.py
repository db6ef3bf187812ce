"""The HTTP side of the API: heads are judged first, then the token, then the body is taken in, bounded.

Operations run in threads, at most a few at once, so that a slow one keeps nobody from a quick one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as HttpRoute

from doorward.api import errors, guard, openapi, perform
from doorward.api.guard import Refusal
from doorward.api.route import PREFIX
from doorward.api.routes import ROUTES, find
from doorward.control.errors import Unavailable
from doorward.control.plane import Plane
from doorward.control.roles import Operator
from doorward.model.errors import CallerError, GatewayError

PIECE: Final = 32 * 1024
PAUSE_S: Final = 0.002
MAX_BODY: Final = 64 * 1024
BODY_S: Final = 10.0
MOST_WAITING: Final = 64
"""Operations that run or wait for their turn; who comes then is answered 503."""
_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
Handler = Callable[[Request], Awaitable[Response]]


class Face:
    """Answers requests on one plane."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._document = msgspec.json.format(msgspec.json.encode(openapi.document()))
        self._running = 0

    def application(self) -> Starlette:
        """ASGI."""
        methods = sorted({"GET", *(route.method for route in ROUTES)})
        return Starlette(
            routes=[
                HttpRoute("/healthz", self._guarded(self._healthz)),
                HttpRoute("/readyz", self._guarded(self._readyz)),
                HttpRoute(PREFIX + openapi.PATH, self._guarded(self._openapi)),
                HttpRoute("/{path:path}", self._guarded(self._operate), methods=methods),
            ],
            exception_handlers={405: _method, Exception: _bug},
        )

    def _guarded(self, handler: Handler) -> Handler:
        """Whatever goes wrong has an answer of one form."""

        async def handle(request: Request) -> Response:
            try:
                guard.check(request.scope["headers"])
                return await handler(request)
            except Refusal as refusal:
                if refusal.status == 401:
                    self._record(request, refusal.recorded)
                return _refused(refusal)
            except ClientDisconnect:
                return Response(status_code=499)

        return handle

    async def _healthz(self, _request: Request) -> Response:
        return _json(b'{"status":"ok"}')

    async def _readyz(self, _request: Request) -> Response:
        try:
            state = await run_in_threadpool(self._plane.live.state)
        except (Unavailable, GatewayError):
            return _json(b'{"status":"not_ready"}', 503)
        ready = state.get("status") != "not_ready"
        return _json(msgspec.json.encode({"status": state.get("status")}), 200 if ready else 503)

    async def _openapi(self, _request: Request) -> Response:
        return _json(self._document)

    async def _operate(self, request: Request) -> Response:
        token = guard.token(request.scope["headers"])
        if self._running >= MOST_WAITING:
            raise Refusal(503, "overloaded", "too much is going on; try again in a moment")
        self._running += 1
        try:
            by = await self._operator(request, token)
            return await self._performed(request, by)
        finally:
            self._running -= 1

    async def _operator(self, request: Request, token: str) -> Operator:
        """Raises Refusal; what is wrong with a token stands in the record only."""
        try:
            return await run_in_threadpool(self._plane.operator, token)
        except CallerError as error:
            raise guard.invalid(recorded=error.reason.value) from None
        except GatewayError as error:
            raise _failed(error) from None

    async def _performed(self, request: Request, by: Operator) -> Response:
        path = request.path_params["path"]
        under = PREFIX.lstrip("/")
        found = find(request.method, path.removeprefix(under)) if path.startswith(under + "/") else []
        if isinstance(found, list):
            raise _nowhere(found)
        route, named = found
        query, body = _query(request), await _body(request)
        asked = perform.Request(route, named, query, body)
        try:
            done = await run_in_threadpool(perform.perform, self._plane, by, asked)
        except errors.EXPECTED as error:
            raise _failed(error) from None
        response = _json(done.body, done.status)
        if done.pending is not None:
            response.headers[openapi.PENDING] = done.pending.encode("ascii", "replace").decode()
        return response

    def _record(self, request: Request, reason: str) -> None:
        """Who asked for administration without a right to it is on record, as one who asks for a tool is."""
        peer = request.client.host if request.client is not None else "unix"
        self._plane.live.refused(reason, peer)


def _failed(error: Exception) -> Refusal:
    status, problem = errors.problem(error)
    return Refusal(status, problem.reason, problem.message, problem.hint)


def _nowhere(methods: list[str]) -> Refusal:
    if not methods:
        return Refusal(404, "object_unknown", "there is nothing at this path", f"see {PREFIX}{openapi.PATH}")
    return Refusal(405, "http_method_not_allowed", f"this path has {', '.join(sorted(methods))}")


def _query(request: Request) -> dict[str, str]:
    """Raises Refusal: of two values nobody could say which counts."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refusal(400, "invalid_request", "a parameter is there twice")
    return found


async def _body(request: Request) -> bytes:
    """Raises Refusal."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY:
                    raise Refusal(413, "body_too_large", f"a body has at most {MAX_BODY} bytes")
    except TimeoutError:
        raise Refusal(400, "invalid_request", "the body did not come in time") from None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        raise Refusal(415, "unsupported_media_type", "send a body as application/json")
    return bytes(body)


def _json(body: bytes, status: int = 200) -> Response:
    if len(body) <= PIECE:
        return Response(body, status, _HEADERS, "application/json")
    headers = {**_HEADERS, "content-length": str(len(body))}
    return StreamingResponse(_pieces(body), status, headers, "application/json")


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """A long answer leaves no long work behind: others have their turn between two pieces."""
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]
        await asyncio.sleep(PAUSE_S)


def _refused(refusal: Refusal) -> Response:
    said = errors.ErrorBody(errors.Problem(refusal.reason, refusal.message, refusal.hint))
    response = _json(msgspec.json.encode(said), refusal.status)
    if refusal.status == 401:
        response.headers["www-authenticate"] = 'Bearer realm="doorward-admin"'
    if refusal.status == 503:
        response.headers["retry-after"] = "1"
    return response


async def _method(_request: Request, _error: Exception) -> Response:
    """A method that no operation has."""
    return _refused(Refusal(405, "http_method_not_allowed", "no operation has this method"))


async def _bug(_request: Request, _error: Exception) -> Response:
    """What it was is for whoever runs the gateway: it ends on standard error."""
    return _refused(Refusal(500, "internal_error", "this is a bug: the gateway's log says more"))
