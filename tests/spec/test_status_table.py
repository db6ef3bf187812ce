"""Each row of the table, at the door and over a socket: status and code exact."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from doorward.edge.guard import Guard
from doorward.edge.plane import DataPlane, PlaneSettings
from doorward.edge.streams import SessionStreams
from doorward.model.call import Reply
from doorward.model.errors import CallerError, UpstreamError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from tests.attack.hostile_server import http
from tests.playbook.house import House, hello
from tests.spec.peers import MODERN, Asked, Json, Peer
from tests.spec.status_rows import ROWS, TOOLS, Row, Variant, message, usual
from tests.spec.world import World, world
from tests.unit.edge.exchanges import exchange
from tests.unit.policy.build import grant, scope

NEEDED = {"requiredCapabilities": {"elicitation": {}}}
THE_TABLE = pytest.mark.spec(
    "DW-070", "DW-071", "DW-072", "DW-073", "DW-074", "DW-075", "DW-076", "DW-077", "DW-078", "DW-079",
    "DW-080", "DW-081", "DW-082", "DW-083", "DW-084", "DW-085", "DW-086", "DW-087", "DW-088",
)  # fmt: skip
each_row = pytest.mark.parametrize("row", ROWS, ids=[f"{row.spec} {row.name}" for row in ROWS])


def fields(variant: Variant, secret: str) -> list[tuple[str, str]]:
    """What goes into the head; a tuple goes twice."""
    heads: dict[str, Any] = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
    heads |= usual() | {"Accept": "application/json, text/event-stream"} | dict(variant.fields)
    said = ((name, (value,) if isinstance(value, str) else value or ()) for name, value in heads.items())
    return [(name, value) for name, values in said for value in values]


def data(variant: Variant) -> bytes:
    given = message() if variant.body is None else variant.body
    return given if isinstance(given, bytes) else json.dumps(given).encode()


def check(row: Row, variant: Variant, status: int, answer: bytes) -> Json:
    """The JSON-RPC message, if there is one, is what the row says."""
    said: Json = json.loads(answer) if answer else {}
    assert (status, said.get("error", {}).get("code")) == (row.status, row.code), variant.name
    if row.code is not None:
        assert ("id" in said) is row.id, variant.name
        assert said.get("id", 7) == 7
    else:
        assert answer == b"" if status == 202 else "result" in said
    return said


async def reply(permit: Permit, behaviour: str) -> Reply:
    if behaviour == "fails":
        raise UpstreamError(Reason.UPSTREAM_HTTP_ERROR, "server bank answered 500", server="bank")
    if behaviour == "asks":
        raise CallerError(Reason.CAPABILITY_MISSING, "needs elicitation", data=NEEDED)
    if permit.call.params.get("requestState") == "forged":
        raise CallerError(Reason.REQUEST_STATE_INVALID, "no seal of ours")
    return await hello(permit)


@pytest.mark.asyncio
@THE_TABLE
@each_row
async def test_at_the_door(row: Row) -> None:
    anything = scope(["*"])
    house = House(tools={"bank": TOOLS}, grants=[grant(servers=["bank"], tools=anything, prompts=anything)])
    settings = PlaneSettings({"/mcp/bank": "bank"}, Guard(hosts=frozenset(), origins=frozenset()))
    plane = DataPlane(house.door, SessionStreams(), settings, lambda _: {}, "")
    for variant in row.variants:
        house.servers.script = lambda permit, way=variant.server: reply(permit, way)
        heads: dict[bytes, bytes] = {}
        for name, value in fields(variant, "bot"):
            key, text = name.lower().encode(), value.encode("latin-1")
            heads[key] = heads[key] + b", " + text if key in heads else text
        if variant.fields.get("Content-Type", "") is None:
            heads[b"content-type"] = b""
        one, channel = exchange(variant.verb.encode(), "/mcp/bank", heads, data(variant))

        plane.handle(one)
        await channel.ended.wait()

        said = check(row, variant, channel.status, channel.body)
        particulars(row, said, channel.fields)


def bank() -> Peer:
    peer = Peer(MODERN)
    peer.lists = {
        "tools": TOOLS,
        "prompts": [{"name": "greet"}],
        "resources": [{"uri": "doc://rates", "name": "r"}],
    }
    peer.capabilities = {"tools": {}, "prompts": {}, "resources": {}}
    return peer


async def sent(made: World, variant: Variant) -> tuple[int, bytes, dict[str, str]]:
    """Over a connection of its own, with nothing in the head that was not said."""
    secret = made.keys["bot"]
    heads = [
        *fields(variant, secret),
        *(() if "Host" in variant.fields else (("Host", httpx2.URL(made.url).netloc.decode()),)),
    ]
    request = httpx2.Request(variant.verb, f"{made.url}/mcp/bank", content=data(variant))
    request.headers = httpx2.Headers([*heads, ("Content-Length", str(len(data(variant))))])
    response = await made.http.send(request)
    return response.status_code, response.content, dict(response.headers)


@pytest.mark.asyncio
@pytest.mark.enable_socket
@THE_TABLE
@each_row
async def test_over_a_socket(row: Row, tmp_path: Path) -> None:
    peer = bank()
    async with world(tmp_path, {"bank": peer}) as made:
        for variant in row.variants:
            peer.acts.clear()
            if variant.server != "honest":
                peer.acts["tools/call"] = lambda asked, writer, way=variant.server: misbehave(
                    asked, writer, way
                )

            status, answer, heads = await sent(made, variant)

            said = check(row, variant, status, answer)
            particulars(row, said, heads)


def misbehave(asked: Asked, writer: Any, way: str) -> None:
    writer.write(
        http(500, b"<html>", "text/html") if way == "fails" else http(400, asked.error(-32021, data=NEEDED))
    )


def particulars(row: Row, said: Json, heads: dict[str, str]) -> None:
    """What the table demands beside status and code."""
    assert "mcp-session-id" not in heads
    details = said.get("error", {}).get("data") or {}
    match row.spec:
        case "DW-072":
            assert "POST" in heads["allow"]
        case "DW-080":
            assert details["supported"] == [MODERN]
            assert details["requested"] in ("2030-01-01", "draft")
        case "DW-082":
            assert details["requiredCapabilities"] == NEEDED["requiredCapabilities"]
        case "DW-087":
            assert heads["www-authenticate"].startswith("Bearer ")


@THE_TABLE
def test_every_row_of_the_table_has_its_mark() -> None:
    assert {row.spec for row in ROWS} == set(THE_TABLE.args)
