"""Keys that leave less than their agent may: narrowed, limited and rotated while the gateway runs."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.support import servers
from tests.e2e.support.gateway import Gateway, running
from tests.e2e.support.raw import call, list_tools

PROMISED_S = 1.0
AT_MOST_S = 10.0
"""Of any one: a busy machine makes them slower, never quicker, so the quickest has to keep the promise."""
TIMES = 3
Answer = dict[str, Any]


class House:
    """A gateway over two servers, and what a key sees of it."""

    def __init__(self, gateway: Gateway, http: httpx2.Client) -> None:
        self.gw = gateway
        self.http = http

    def made(self, *flags: str) -> Answer:
        said: Answer = json.loads(self.gw.run("keys", "create", "--agent", "bot", *flags, "--json"))
        self.until(lambda: self.ask(said["key"]).status_code != 401)
        return said

    def change(self, key: Answer, *flags: str) -> Answer:
        said: Answer = json.loads(self.gw.run("keys", "set", key["id"], *flags, "--json"))
        return said

    def ask(
        self, key: str, server: str = "files", tool: str = "list_files", **arguments: str
    ) -> httpx2.Response:
        return call(self.http, f"{self.gw.url}/mcp/{server}", key, tool, arguments)

    def reason(self, key: str, **how: Any) -> str | None:
        """Of a denial; None where the call was made."""
        answer = self.ask(key, **how).json()
        if "error" in answer:
            return str(answer["error"].get("data", {}).get("reason", answer["error"]["message"]))
        denial = answer["result"].get("_meta", {}).get("dev.doorward/denial")
        return None if denial is None else str(denial["reason"])

    def shown(self, key: str, endpoint: str = "/mcp/files") -> set[str]:
        answer = list_tools(self.http, f"{self.gw.url}{endpoint}", key)
        return {tool["name"] for tool in answer["result"]["tools"]}

    @staticmethod
    def until(true: Callable[[], bool]) -> float:
        """Seconds until it is."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < AT_MOST_S, "it is still not so"
            time.sleep(0.01)
        return time.monotonic() - began


@contextmanager
def opened(folder: Path) -> Iterator[House]:
    for name in ("documents", "papers"):
        (folder / name).mkdir()
    grant = {
        "servers": ["files", "papers"],
        "tools": {"allow": ["*_file", "list_files"]},
        "resources": {"allow": ["notes://*"]},
    }
    config = {
        "servers": {
            "files": {"command": servers.files(folder / "documents")},
            "papers": {"command": servers.files(folder / "papers")},
        },
        "agents": {"bot": {"grants": [grant]}, "slow": {"grants": [grant], "rate": "4/h"}},
    }
    with running(folder, config) as gateway, httpx2.Client(timeout=30) as http:
        yield House(gateway, http)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all of them: what a test does concerns its own keys only."""
    with opened(tmp_path_factory.mktemp("keys")) as made:
        yield made


def test_a_key_shows_and_allows_what_it_leaves_of_its_agent(house: House) -> None:
    plain = house.made()["key"]
    assert house.shown(plain) == {"list_files", "read_file", "write_file"}

    reading = house.made("--read-only")["key"]
    assert house.shown(reading) == {"list_files", "read_file"}
    assert house.reason(reading) is None
    assert house.reason(reading, tool="write_file", path="a", text="b") == "Unknown tool"

    one = house.made("--tools", "files/write_file", "--servers", "files")["key"]
    assert house.shown(one) == {"write_file"}
    assert house.shown(one, "/mcp") == {"files__write_file"}
    assert house.shown(reading, "/mcp") == {
        f"{server}__{tool}" for server in ("files", "papers") for tool in ("list_files", "read_file")
    }
    assert house.reason(one) == "Unknown tool"
    assert house.reason(one, tool="write_file", path="a", text="b") is None
    said = [
        house.ask(one, server=server, tool="write_file", path="a", text="b").json()["error"]
        for server in ("papers", "nowhere")
    ]
    for error in said:
        del error["data"]["decision_id"]
    assert said[0] == said[1], "a server that a key does not reach is one that there is not"
    assert not list((house.gw.folder / "papers").glob("*"))


def test_what_is_set_is_in_force_within_a_second(house: House) -> None:
    key, took = house.made(), []
    for _ in range(TIMES):
        house.change(key, "--tools", "read_file")
        took.append(house.until(lambda: house.reason(key["key"]) is not None))
        assert house.shown(key["key"]) == {"read_file"}
        house.change(key, "--tools", "*")
        took.append(house.until(lambda: house.reason(key["key"]) is None))
    assert min(took) < PROMISED_S, took
    actions = [record["action"] for record in house.gw.records() if record["kind"] == "change"]
    assert actions.count("key:change") == 2 * TIMES


def test_a_key_and_an_agent_are_held_to_their_rates(house: House) -> None:
    key = house.made()
    house.change(key, "--rate", "3/h")
    house.until(lambda: house.reason(key["key"]) == "rate_limited")
    answer = house.ask(key["key"])
    denial = answer.json()["result"]["_meta"]["dev.doorward/denial"]
    assert (answer.status_code, denial["retryable"]) == (200, True)
    assert 0 < denial["retry_after_s"] <= 1200
    assert "limited to 3/h; try again in" in answer.json()["result"]["content"][0]["text"]
    assert house.shown(key["key"]), "lists are not counted"
    house.change(key, "--rate", "none")
    house.until(lambda: house.reason(key["key"]) is None)

    first, second = house.gw.key("slow"), house.gw.run("keys", "create", "--agent", "slow", "--json")
    keys = [first, json.loads(second)["key"]]
    house.until(lambda: house.ask(keys[1], tool="no_such_tool").status_code == 200)
    said = [house.reason(keys[number % 2]) for number in range(6)]
    assert said == [None] * 4 + ["rate_limited"] * 2, "both keys of an agent draw on one rate"
    refused = house.ask(keys[0]).json()["result"]["content"][0]["text"]
    assert "agent slow is limited to 4/h" in refused


def test_a_rotated_key_has_two_secrets_until_it_is_told_otherwise(house: House) -> None:
    old = house.made("--tools", "list_files")
    new = json.loads(house.gw.run("keys", "rotate", old["id"], "--json"))
    house.until(lambda: house.ask(new["key"]).status_code == 200)
    assert house.ask(old["key"]).status_code == 200
    assert house.shown(new["key"]) == {"list_files"}
    assert "two at most" in house.gw.run("keys", "rotate", old["id"], "--json", code=2)
    newest = json.loads(house.gw.run("keys", "rotate", old["id"], "--overlap", "0", "--json"))
    house.until(lambda: house.ask(new["key"]).status_code == 401)
    assert [house.ask(each["key"]).status_code for each in (old, new, newest)] == [401, 401, 200]


def test_a_key_of_another_network_is_refused_without_a_reason(house: House) -> None:
    elsewhere = json.loads(
        house.gw.run("keys", "create", "--agent", "bot", "--networks", "192.0.2.0/24", "--json")
    )
    wrong = elsewhere["key"][:-7] + "AAAAAAA"
    time.sleep(PROMISED_S)
    said = [house.ask(key) for key in (elsewhere["key"], wrong)]
    assert [answer.status_code for answer in said] == [401, 401]
    assert said[0].json() == said[1].json()
    house.change(elsewhere, "--networks", "192.0.2.0/24,127.0.0.0/8")
    house.until(lambda: house.ask(elsewhere["key"]).status_code == 200)
    reasons = {record["reason"] for record in house.gw.records() if record["kind"] == "refusal"}
    assert "network_forbidden" in reasons


def test_what_an_operator_hands_out_is_worth_what_the_operator_may(house: House, tmp_path: Path) -> None:
    gw, token = house.gw, tmp_path / "bea.token"
    limits = ["--role", "operator", "--agents", "bot", "--servers", "files"]
    token.write_text(json.loads(gw.run("operators", "add", "bea", *limits, "--json"))["token"] + "\n")
    token.chmod(0o600)
    as_bea = ["--admin-token-file", str(token)]

    gw.run("keys", "create", "--agent", "slow", *as_bea, code=3)
    gw.run("keys", "create", "--agent", "bot", "--servers", "papers", *as_bea, code=3)
    gw.run("keys", "create", "--agent", "bot", "--expires", "never", *as_bea, code=3)
    hers, mine = house.made(*as_bea), house.made()
    assert {name.partition("__")[0] for name in house.shown(hers["key"], "/mcp")} == {"files"}
    gw.run("keys", "rotate", mine["id"], *as_bea, code=3)
    said = json.loads(gw.run("keys", "show", hers["id"], "--json"))
    assert said["effective"]["servers"] == ["files"]
    assert {"what": "servers", "value": ["files"], "of": "creator:bea", "at": None} in said["limits"]

    took = []
    for _ in range(TIMES):
        gw.run("operators", "set", "bea", "--role", "viewer")
        took.append(house.until(lambda: house.ask(hers["key"]).status_code == 401))
        assert json.loads(gw.run("keys", "show", hers["id"], "--json"))["state"] == "suspended"
        gw.run("operators", "set", "bea", "--role", "operator")
        took.append(house.until(lambda: house.ask(hers["key"]).status_code == 200))
    assert min(took) < PROMISED_S, took
    gw.run("operators", "remove", "bea")
    house.until(lambda: house.ask(hers["key"]).status_code == 401)
    assert house.ask(mine["key"]).status_code == 200


def test_the_last_use_is_known_when_the_gateway_has_stopped(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        used, idle = house.made(), json.loads(house.gw.run("keys", "create", "--agent", "bot", "--json"))
        began = time.time()
        house.ask(used["key"])
        assert house.gw.stop() == 0
        rows = {row["id"]: row for row in json.loads(house.gw.run("keys", "list", "--json"))["keys"]}
    assert abs(rows[used["id"]]["last_used_at"] - began) < 60
    assert rows[idle["id"]]["last_used_at"] is None
