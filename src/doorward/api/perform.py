"""Carries one operation out: the same for a request over HTTP and for a command without a gateway."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from doorward.api.pages import rested
from doorward.api.route import Call, NoQuery, Route
from doorward.control.errors import Unavailable
from doorward.control.plane import Plane
from doorward.control.roles import Operator
from doorward.model.errors import GatewayError

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Done(msgspec.Struct, frozen=True):
    """What came of it."""

    status: int
    body: bytes
    """JSON."""
    pending: str | None = None
    """Why what was changed is not in force yet; it will be as soon as the gateway can."""


class Request(msgspec.Struct, frozen=True):
    """An operation, and what was said to it."""

    route: Route
    path: Mapping[str, str]
    query: Mapping[str, str] = {}
    body: bytes = b""


def perform(plane: Plane, by: Operator, request: Request) -> Done:
    """Raises Refused, ValueError (which msgspec's are, too), DoorwardError."""
    route = request.route
    query: Any = msgspec.convert(dict(request.query), type=route.query or NoQuery, strict=False)
    body: Any = None
    if route.body is not None:
        body = _read(request.body or b"{}", route.body)
    elif request.body:
        raise ValueError("this takes no body")
    said = route.run(plane, by, Call(request.path, query, body))
    return Done(route.status, encoded(said, plane.rest), _applied(plane) if route.changes else None)


def _read(body: bytes, kind: type[Any]) -> Any:
    """Raises ValueError. What has one reading here has the same for whoever looks at it on its way."""
    found = msgspec.json.decode(body, type=kind)
    json.loads(body, object_pairs_hook=_once)
    return found


def _once(members: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in members]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")


def encoded(said: Any, rest: Callable[[], None]) -> bytes:
    """JSON, members in alphabetical order; lists row by row, with chances to rest between them."""
    if not isinstance(said, msgspec.Struct):
        return _encode(said)
    members = []
    for name in sorted(said.__struct_fields__):
        value = getattr(said, name)
        if isinstance(value, list):
            text = b"[" + b",".join([_encode(row) for row in rested(value, rest)]) + b"]"
        else:
            text = _encode(value)
        members.append(_encode(name) + b":" + text)
    return b"{" + b",".join(members) + b"}"


def _applied(plane: Plane) -> str | None:
    """The change stands, so what goes wrong now is no failure of it."""
    try:
        plane.live.apply()
    except (Unavailable, GatewayError) as error:
        return error.message
    return None
