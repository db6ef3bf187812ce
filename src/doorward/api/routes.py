"""Every operation of /api/v1. The OpenAPI document, the HTTP server and our own commands read this table."""

from typing import Final

from doorward.api import blocks, gateway, keys, operators
from doorward.api.route import Page, Route
from doorward.control.keys import Change as KeyChange
from doorward.control.keys import Wanted as WantedKey
from doorward.control.operators import Change as OperatorChange
from doorward.ports.live import Selector, ServerRow

ROUTES: Final = (
    Route("GET", "/whoami", operators.whoami, "Who the token is, and what it may", operators.Me),
    Route("GET", "/status", gateway.status, "How the gateway is", gateway.Status),
    Route("GET", "/servers", gateway.servers, "Servers in force", gateway.ServerPage, query=Page),
    Route("GET", "/servers/{server}", gateway.server, "One server", ServerRow),
    Route("GET", "/tools", gateway.tools, "Tools as listed", gateway.ToolPage, query=gateway.ToolQuery),
    Route("GET", "/agents", gateway.agents, "Agents in force", gateway.AgentPage, query=Page),
    Route("GET", "/agents/{agent}", gateway.agent, "One agent", gateway.AgentRow),
    Route("GET", "/calls", gateway.calls, "Calls in flight", gateway.Calls, query=gateway.CallQuery),
    Route("POST", "/calls/cancel", gateway.cancel, "End calls", gateway.Calls, body=Selector),
    Route("GET", "/keys", keys.listed, "Keys", keys.KeyPage, query=keys.KeyQuery),
    Route("GET", "/keys/{key}", keys.show, "A key, and what it is worth", keys.KeyRow),
    Route(
        "POST", "/keys", keys.create, "Create a key", keys.KeyWithSecret,
        body=WantedKey, status=201, changes=True,
    ),
    Route("PATCH", "/keys/{key}", keys.change, "Change a key", keys.KeyRow, body=KeyChange, changes=True),
    Route(
        "POST", "/keys/{key}/rotate", keys.rotate, "Give a key a new secret", keys.KeyWithSecret,
        body=keys.Rotation, changes=True,
    ),
    Route("DELETE", "/keys/{key}", keys.revoke, "Revoke a key for good", keys.KeyRow, changes=True),
    Route("GET", "/operators", operators.listed, "Operators", operators.OperatorPage, query=Page),
    Route("GET", "/operators/{operator}", operators.show, "One operator", operators.OperatorRow),
    Route(
        "POST", "/operators", operators.add, "Add an operator", operators.OperatorWithToken,
        body=operators.WantedOperator, status=201, changes=True,
    ),
    Route(
        "PATCH", "/operators/{operator}", operators.change, "Change an operator", operators.OperatorRow,
        body=OperatorChange, changes=True,
    ),
    Route(
        "POST", "/operators/{operator}/rotate", operators.rotate, "Give an operator a new token",
        operators.OperatorWithToken, changes=True,
    ),
    Route(
        "DELETE", "/operators/{operator}", operators.remove, "Remove an operator for good",
        operators.OperatorRow, changes=True,
    ),
    Route("GET", "/blocks", blocks.listed, "Blocks in force", blocks.BlockPage, query=blocks.BlockQuery),
    Route("GET", "/blocks/{block}", blocks.show, "One block", blocks.BlockRow),
    Route(
        "POST", "/blocks", blocks.place, "Block a server, agent, key, user, client or token",
        blocks.PlacedBlock, body=blocks.WantedBlock, status=201, changes=True,
    ),
    Route("DELETE", "/blocks/{block}", blocks.lift, "Lift a block", blocks.BlockRow, changes=True),
)  # fmt: skip


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | list[str]:
    """The operation at a path behind `/api/v1` with the segments that stand for names, or the methods that
    the path has."""
    segments = path.split("/")
    methods = []
    for route in ROUTES:
        named = _match(route.path.split("/"), segments)
        if named is None:
            continue
        if route.method == method:
            return route, named
        methods.append(route.method)
    return methods


def _match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    named = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            if not segment:
                return None
            named[expected[1:-1]] = segment
        elif expected != segment:
            return None
    return named
