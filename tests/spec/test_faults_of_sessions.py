"""What other gateways got wrong (brief 8), numbers 3 to 7 and 20: sessions, ids and what they carry."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.attack.hostile_server import END, STREAM, event, http
from tests.spec.peers import LATEST, MODERN, Asked, Peer
from tests.spec.scene import each_client, each_server, full, over_sockets, scene
from tests.spec.world import world

pytestmark = over_sockets


@pytest.mark.spec("DW-803", "DW-160")
@each_client
async def test_03_a_dead_session_at_one_server_is_opened_again_and_nobody_else_notices(
    down: str, tmp_path: Path
) -> None:
    peers = {"one": full(), "two": full()}
    async with world(tmp_path, peers) as made:
        client = await made.client("/mcp", down)
        for name in peers:
            assert (await client.call(f"{name}__echo")).status == 200
        peers["one"].dead |= {f"s{n}" for n in range(1, peers["one"].sessions + 1)}
        before = peers["two"].sessions

        answers = [await client.call(f"{name}__echo", n=n) for n in range(3) for name in peers]

        assert all("content" in said.result for said in answers)
        assert peers["two"].sessions == before
        if down != MODERN:
            assert (await client.ask("ping")).result == {}


@pytest.mark.spec("DW-804", "DW-161")
@each_client
@pytest.mark.parametrize("answer", ["gone for ever", "nothing", "an empty object", "accepted", "no content"])
async def test_04_a_call_that_was_lost_is_no_empty_success(down: str, answer: str, tmp_path: Path) -> None:
    def lost(asked: Asked, writer: Any) -> None:
        kinds = {
            "gone for ever": http(404),
            "nothing": http(200),
            "an empty object": http(200, b"{}"),
            "accepted": http(202),
            "no content": http(204),
        }
        writer.write(kinds[answer])

    async with scene(tmp_path, down) as (peer, client, _):
        peer.acts["tools/call"] = lost
        said = await client.call(a=1)
        assert said.error == (200, -32603)
        assert "lab" in said.message["error"]["message"]
        assert len(peer.asked("tools/call")) <= 2


def paged(peer: Peer, *pages: tuple[str | None, list[str]]) -> None:
    """`tools/list` in pages: the cursor that leads to the next one, and the names on it."""

    def page(asked: Asked) -> dict[str, Any]:
        given = [None, *(cursor for cursor, _ in pages)].index(asked.params.get("cursor"))
        following, names = pages[given]
        found: dict[str, Any] = {
            "tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]
        }
        return found if following is None else found | {"nextCursor": following}

    peer.results["tools/list"] = page


@pytest.mark.spec("DW-805", "DW-180", "DW-181")
@each_client
@each_server
async def test_05_every_page_of_a_server_is_listed_and_callable(down: str, up: str, tmp_path: Path) -> None:
    peer = full(up)
    paged(peer, ("", ["a"]), ("c2", []), (None, ["b", "c"]))
    async with scene(tmp_path, down, peer) as (_, client, made):
        listed = (await client.ask("tools/list")).result
        assert [tool["name"] for tool in listed["tools"]] == ["a", "b", "c"]
        assert "nextCursor" not in listed
        assert (await client.call("c")).status == 200
        paged(peer, ("x", ["a"]), (None, ["b", "d"]))
        await made.process.world.refresh_server("lab")
        listed = (await client.ask("tools/list")).result
        assert [tool["name"] for tool in listed["tools"]] == ["a", "b", "d"]
        assert (await client.call("c")).error == (200, -32602)


@pytest.mark.spec("DW-806", "DW-023", "DW-028")
@each_server
async def test_06_one_and_the_string_one_are_two_requests_of_each_of_many_clients(
    up: str, tmp_path: Path
) -> None:
    async with world(tmp_path, {"lab": full(up)}) as made:
        peer = made.peers["lab"]
        arrived = asyncio.Event()

        async def hold(asked: Asked, writer: Any) -> None:
            if len(peer.asked("tools/call")) == 16:
                arrived.set()
            await arrived.wait()
            text = json.dumps(asked.params["arguments"]["who"])
            writer.write(
                http(
                    200, asked.result({"content": [{"type": "text", "text": text}], "resultType": "complete"})
                )
            )

        peer.acts["tools/call"] = hold
        clients = [
            await made.client(version=version, agent=agent)
            for version in (LATEST, MODERN) for agent in ("bot", "other") for _ in range(2)
        ]  # fmt: skip

        async def one(number: int, given: Any) -> None:
            message = {"name": "echo", "arguments": {"who": [number, given]}}
            said = await clients[number].ask("tools/call", message, id=given)
            assert (said.message["id"], type(said.message["id"])) == (given, type(given))
            assert json.loads(said.result["content"][0]["text"]) == [number, given]

        await asyncio.gather(*(one(number, given) for number in range(8) for given in (1, "1")))


@pytest.mark.spec("DW-807", "DW-021", "DW-026")
@each_client
@each_server
async def test_07_no_id_is_ever_used_twice_at_a_server(down: str, up: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down, full(up)) as (peer, client, made):
        for number in range(6):
            await client.call(n=number)
            peer.dead |= {f"s{n}" for n in range(1, peer.sessions + 1)} if number == 2 else set()
        another = await made.client(version=down, agent="other")
        await another.call()
        ids = [one.id for one in peer.seen if one.id is not None]
        assert all(type(one) is int for one in ids)
        resent = {one.id for one in peer.seen if one.headers.get("mcp-session-id") in peer.dead}
        assert len([one for one in ids if ids.count(one) > 1 and one not in resent]) == 0


@pytest.mark.spec("DW-807", "DW-026", "DW-240")
async def test_07_the_retry_of_a_round_has_a_new_id_and_the_server_s_own_state(tmp_path: Path) -> None:
    question = {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": "?", "requestedSchema": {"type": "object", "properties": {}}},
    }

    def rounds(asked: Asked) -> dict[str, Any]:
        if "inputResponses" not in asked.params:
            return {
                "resultType": "input_required",
                "inputRequests": {"q": question},
                "requestState": 'öpaque "1" \\',
            }
        return {"content": [{"type": "text", "text": json.dumps(asked.params["inputResponses"])}]}

    async with world(tmp_path, {"lab": full(MODERN)}, lab={"may_ask": ["elicitation"]}) as made:
        peer = made.peers["lab"]
        peer.results["tools/call"] = rounds
        client = await made.client(version=MODERN, elicitation={"form": {}})
        first = (await client.call(a=1)).result
        assert first["inputRequests"] == {"q": question}
        assert "öpaque" not in first["requestState"]
        given = {"q": {"action": "accept", "content": {}}}
        again = {
            "name": "echo",
            "arguments": {"a": 1},
            "inputResponses": given,
            "requestState": first["requestState"],
        }
        second = (await client.ask("tools/call", again)).result
        assert json.loads(second["content"][0]["text"]) == given
        one, two = peer.asked("tools/call")
        assert one.id != two.id
        assert two.params["requestState"] == 'öpaque "1" \\'


@pytest.mark.spec("DW-820", "DW-162")
@each_client
async def test_20_principals_share_no_session_at_a_server(down: str, tmp_path: Path) -> None:
    async with world(tmp_path, {"lab": full()}) as made:
        used = []
        for agent in ("bot", "other"):
            client = await made.client(version=down, agent=agent)
            await client.call()
            used.append(made.peers["lab"].last().headers["mcp-session-id"])
        assert len(set(used)) == 2


@pytest.mark.spec("DW-820", "DW-094")
async def test_20_a_session_outlives_the_credential_that_opened_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, client, made):
        client.fields["Authorization"] = f"Bearer {await made.another_key('bot')}"
        assert (await client.call()).status == 200


@pytest.mark.spec("DW-022")
@each_client
async def test_an_id_that_is_in_flight_is_refused_in_its_session(down: str, tmp_path: Path) -> None:
    async with scene(tmp_path, down) as (peer, client, _):
        go = asyncio.Event()

        async def hold(asked: Asked, writer: Any) -> None:
            await go.wait()
            writer.write(http(200, asked.result({"content": [{"type": "text", "text": "first"}]})))

        peer.acts["tools/call"] = hold
        first = asyncio.create_task(client.ask("tools/call", {"name": "echo"}, id=5))
        await peer.until("tools/call")
        if down == MODERN:
            go.set()
        second = await client.ask("tools/call", {"name": "echo"}, id=5)
        go.set()
        assert (await first).result["content"][0]["text"] == "first"
        assert second.status == (200 if down == MODERN else 400)
        assert (await client.ask("tools/call", {"name": "echo"}, id=5)).status == 200


@pytest.mark.spec("DW-025", "DW-440")
@each_client
@pytest.mark.parametrize("wrong", ["next", "own as text", "x", None, 1.5, True, []], ids=repr)
async def test_answers_to_others_reach_nobody(down: str, wrong: Any, tmp_path: Path) -> None:
    def answers(asked: Asked, writer: Any) -> None:
        given = {"next": asked.id + 1, "own as text": str(asked.id)}.get(wrong, wrong) if is_text else wrong
        writer.write(
            STREAM + event({"jsonrpc": "2.0", "id": given, "result": {"content": [], "wrong": True}})
        )
        writer.write(event(asked.result({"content": [], "right": True})) + END)

    is_text = isinstance(wrong, str)
    async with scene(tmp_path, down) as (peer, client, _):
        peer.acts["tools/call"] = answers
        said = await client.call()
        assert len(said.messages) == 1
        if is_text:
            assert said.result.get("right") is True
        else:  # no answer of JSON-RPC at all: a server that sends this is not believed any further
            assert said.error == (200, -32603)
            assert "lab" in said.message["error"]["message"]
        del peer.acts["tools/call"]
        assert (await client.call()).status == 200
