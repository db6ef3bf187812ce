"""Blocks of every kind end everything that is open, over real sockets and with real processes."""

import copy
import json
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.e2e.support import older
from tests.e2e.support.gateway import Gateway, Json
from tests.e2e.support.held import Held, processes
from tests.e2e.support.minting import minting
from tests.e2e.support.processes import LOOPBACK, free_port, wait_until
from tests.e2e.support.raw import call
from tests.support.tokens import Mint

ALL = {"servers": ["*"], "tools": {"allow": ["*"]}}
RENEWAL_S = 2
AT_MOST_S = 10.0
"""A second is promised, and measured by bench/; a busy machine makes it longer, never shorter."""


class House:
    """A gateway with an issuer, and what it serves."""

    def __init__(self, gw: Gateway, mint: Mint, mark: str, document: Json) -> None:
        self.gw = gw
        self.held: list[Held] = []
        self.document = document
        self.mint = mint
        self.mark = mark
        self.url = f"{gw.url}/mcp/files"

    def hold(self, bearer: str) -> tuple[Held, set[int]]:
        """What it keeps open, and its own process."""
        before = processes(self.mark)
        held = Held(self.url, bearer)
        self.held.append(held)
        return held, processes(self.mark) - before

    def ended(self, held: Held, mine: set[int], since: float) -> None:
        """Streams and process end in time. Fails the test otherwise."""
        wait_until(lambda: held.streams_ended, "the streams have ended", AT_MOST_S)
        wait_until(lambda: not mine & processes(self.mark), "its process has ended", AT_MOST_S)
        assert time.monotonic() - since < 2 * AT_MOST_S


def config(gateway: Json, issuer: str, mark: str) -> Json:
    def agent(client: str) -> Json:
        return {"match": [{"issuer": issuer, "client_id": client}], "grants": [ALL]}

    agents = {name: agent(name) for name in ("blocked-agent", "desk", "mid", "app", "leaving")}
    return {
        "gateway": gateway,
        "auth": {"keys": True, "issuers": [{"issuer": issuer, "skew": "0s"}]},
        "servers": {
            "files": {"command": [sys.executable, older.__file__, mark]},
        },
        "agents": {"keyed": {"grants": [ALL]}, "bystander": {"grants": [ALL]}, **agents},
        "people": [{"issuer": issuer, "sub": "*", "grants": [ALL]}],
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder, mark = tmp_path_factory.mktemp("gateway"), secrets.token_hex(8)
    port = free_port()
    public = f"http://{LOOPBACK}:{port}"
    gateway = {
        "listen": f"{LOOPBACK}:{port}",
        "state": "state",
        "public_url": public,
        "sessions": {"renewal": f"{RENEWAL_S}s"},
    }
    with minting(f"{public}/mcp/files") as mint:
        document = config(gateway, mint.issuer, mark)
        gw = Gateway(folder, document)
        gw.port = port
        gw.key("keyed")
        gw.key("bystander")
        try:
            gw.start()
            yield House(gw, mint, mark, document)
        finally:
            gw.sweep()


@pytest.fixture(autouse=True)
def left(house: House) -> Iterator[None]:
    """Nobody keeps anything open for the next test."""
    yield
    while house.held:
        house.held.pop().close()


class Kind:
    """One kind of block: who is concerned, and how it is said."""

    def __init__(self, what: str, status: int, **claims: Any) -> None:
        self.what = what
        self.status = status
        self.claims = claims


ACT = {"sub": "mid", "client_id": "mid", "act": {"sub": "far", "client_id": "far"}}
KINDS = [
    Kind("agent:blocked-agent", 403, sub="blocked-agent", client_id="blocked-agent"),
    Kind("client:app", 403, sub="app", client_id="app"),
    Kind("user:anna", 403, sub="anna", client_id="desk"),
    Kind("user:berta@{issuer}", 403, sub="berta", client_id="desk"),
    Kind("jti:t-jti", 401, sub="carla", client_id="desk", jti="t-jti"),
    Kind("sid:s-sid@{issuer}", 401, sub="dora", client_id="desk", sid="s-sid"),
    Kind("client:mid", 403, sub="emma", client_id="desk", act=ACT),
    Kind("agent:mid", 403, sub="fanny", client_id="desk", act=ACT),
    Kind("client:far", 403, sub="gerda", client_id="desk", act=ACT),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.what.partition("@")[0] + str(kind.status))
def test_a_block_ends_what_is_open_and_refuses_what_comes(house: House, kind: Kind) -> None:
    bearer = house.mint.token(**kind.claims)
    held, mine = house.hold(bearer)
    other, theirs = house.hold(house.gw.key("bystander"))
    assert mine
    what = kind.what.format(issuer=house.mint.issuer)
    said = json.loads(house.gw.run("block", what, "--ttl", "1h", "--reason", "a test", "--json"))
    began = time.monotonic()
    assert held.modern().status_code == kind.status  # in force as soon as the command has said so
    assert held.call().status_code == kind.status
    house.ended(held, mine, began)
    assert other.modern().status_code == other.call().status_code == 200
    assert not other.get.ended.is_set()
    assert not theirs or theirs <= processes(house.mark)

    house.gw.run("unblock", said["id"])
    assert held.modern().status_code == 200
    assert held.call().status_code == 404  # the session has ended, for good


def test_a_blocked_key_and_a_revoked_one(house: House) -> None:
    made = json.loads(house.gw.run("keys", "create", "--agent", "keyed", "--name", "k1", "--json"))
    held, mine = house.hold(made["key"])
    house.gw.run("block", f"key:{made['id']}")
    assert held.modern().status_code == 403
    house.ended(held, mine, time.monotonic())
    house.gw.run("unblock", f"key:{made['id']}")
    held, mine = house.hold(made["key"])
    house.gw.run("keys", "revoke", made["id"])
    assert held.modern().status_code == 401
    house.ended(held, mine, time.monotonic())


def test_a_block_ends_by_itself_on_time(house: House) -> None:
    held, _ = house.hold(house.mint.token(sub="hanna", client_id="desk"))
    house.gw.run("block", "user:hanna", "--ttl", "3s")
    assert held.modern().status_code == 403
    wait_until(lambda: held.modern().status_code == 200, "the block is over", AT_MOST_S)
    assert json.loads(house.gw.run("blocks", "list", "--json"))["blocks"] == []


def test_a_token_that_expires_ends_its_streams_and_then_its_session(house: House) -> None:
    ends = int(time.time()) + 4
    held, mine = house.hold(house.mint.token(sub="ida", client_id="desk", exp=ends, jti="short"))
    assert not held.streams_ended
    wait_until(lambda: held.streams_ended, "the streams have ended", 4 + AT_MOST_S)
    assert time.time() >= ends
    assert held.modern().status_code == 401
    renewed = house.mint.token(sub="ida", client_id="desk", jti="next")
    house.ended(held, mine, time.monotonic())  # nobody came in time
    assert held.call(renewed).status_code == 404


def test_a_token_that_is_renewed_in_time_keeps_its_session(house: House) -> None:
    ends = int(time.time()) + 3
    held, mine = house.hold(house.mint.token(sub="jana", client_id="desk", exp=ends, jti="first"))
    renewed = house.mint.token(sub="jana", client_id="desk", jti="second")
    assert held.call(renewed).status_code == 200
    wait_until(lambda: held.streams_ended, "the streams have ended", 3 + AT_MOST_S)
    time.sleep(RENEWAL_S + 1)
    assert held.call(renewed).status_code == 200
    assert mine <= processes(house.mark)


def test_a_blocked_server_says_so_and_is_gone_from_lists(house: House) -> None:
    held, mine = house.hold(house.gw.key("bystander"))
    tools = held.legacy("tools/list", {}).json()["result"]["tools"]
    assert tools
    said = json.loads(house.gw.run("block", "server:files", "--json"))
    assert {"bystander", "keyed", "desk"} <= set(said["agents"])
    denied = held.call().json()["result"]
    assert denied["isError"]
    assert denied["_meta"]["dev.doorward/denial"]["reason"] == "blocked"
    assert held.legacy("tools/list", {}).json()["result"]["tools"] == []
    wait_until(lambda: b"tools/list_changed" in held.get.text, "the list is said to have changed", AT_MOST_S)
    wait_until(lambda: b"tools/list_changed" in held.listen.text, "and to who listens", AT_MOST_S)
    wait_until(lambda: not mine & processes(house.mark), "its process has ended", AT_MOST_S)
    house.gw.run("unblock", "server:files")
    assert held.legacy("tools/list", {}).json()["result"]["tools"] == tools
    assert held.call().json()["result"] == {"content": []}


def test_people_and_matches_that_go_end_what_is_open(house: House) -> None:
    leaving, mine = house.hold(house.mint.token(sub="leaving", client_id="leaving"))
    human, process = house.hold(house.mint.token(sub="karla", client_id="desk"))
    less = copy.deepcopy(house.document)
    less["agents"]["leaving"]["match"] = []
    less["people"] = [{"issuer": house.mint.issuer, "sub": "lena", "grants": [ALL]}]
    house.gw.write(less)
    try:
        wait_until(lambda: leaving.modern().status_code == 403, "the reload is in force", 30)
        house.ended(leaving, mine, time.monotonic())
        house.ended(human, process, time.monotonic())
    finally:
        house.gw.write(house.document)
        wait_until(lambda: leaving.modern().status_code == 200, "and taken back", 30)


def test_calls_in_flight_are_shown_and_ended_when_asked_for(house: House) -> None:
    key = house.gw.key("keyed")
    answers: list[httpx2.Response] = []

    def wait() -> None:
        with httpx2.Client(timeout=120) as http:
            answers.append(call(http, house.url, key, "wait", {}))

    caller = threading.Thread(target=wait)
    caller.start()
    command = ("block", f"key:{house.gw.key_id('keyed')}", "--json")
    lifted = ("unblock", f"key:{house.gw.key_id('keyed')}")

    def shown() -> bool:
        said = json.loads(house.gw.run(*command))
        house.gw.run(*lifted)
        return [each["name"] for each in said["calls"] if each.get("sent")] == ["wait"]

    wait_until(shown, "the call is in flight")
    assert not answers, "a block alone has ended a call"
    said = json.loads(house.gw.run(*command, "--now"))
    assert [each["server"] for each in said["calls"]] == ["files"]
    caller.join(60)
    error = answers[0].json()["error"]
    assert (error["message"], error["data"]["reason"]) == ("an operator ended this call", "call_cut")
    house.gw.run(*lifted)
