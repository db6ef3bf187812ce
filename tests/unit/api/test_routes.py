"""Every operation: who may, who may not, what comes of it, and that nothing came of what was refused."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from doorward.api.routes import ROUTES, find
from doorward.audit import records
from doorward.control.roles import Role
from doorward.ports.store import OperatorRecord, StoreFacts
from tests.unit.api.house import NOW, House

Json = dict[str, Any]
Case = tuple[str, str, Callable[[House], tuple[str, Any]], Role]
DAY = 86_400.0


def key(house: House) -> str:
    made: str = house.ask("POST", "/keys", {"agent": "ci"}).said["id"]
    return made


def victim(house: House) -> str:
    return house.operator("viewer").record.name


def block(house: House) -> str:
    placed: str = house.ask("POST", "/blocks", {"kind": "agent", "value": "ci"}).said["id"]
    return placed


# Method, path, what is asked (path and body) in a house, and the role that may least and still may.
CASES: tuple[Case, ...] = (
    ("GET", "/whoami", lambda _: ("/whoami", None), Role.VIEWER),
    ("GET", "/status", lambda _: ("/status", None), Role.VIEWER),
    ("GET", "/servers", lambda _: ("/servers", None), Role.VIEWER),
    ("GET", "/servers/{server}", lambda _: ("/servers/crm", None), Role.VIEWER),
    ("GET", "/tools", lambda _: ("/tools?server=crm&limit=5", None), Role.VIEWER),
    ("GET", "/agents", lambda _: ("/agents", None), Role.VIEWER),
    ("GET", "/agents/{agent}", lambda _: ("/agents/ci", None), Role.VIEWER),
    ("GET", "/calls", lambda _: ("/calls?agent=ci", None), Role.AUDITOR),
    ("POST", "/calls/cancel", lambda _: ("/calls/cancel", {"agent": "ci"}), Role.OPERATOR),
    ("GET", "/keys", lambda _: ("/keys", None), Role.AUDITOR),
    ("GET", "/keys/{key}", lambda house: (f"/keys/{key(house)}", None), Role.AUDITOR),
    ("POST", "/keys", lambda _: ("/keys", {"agent": "ci"}), Role.OPERATOR),
    ("PATCH", "/keys/{key}", lambda house: (f"/keys/{key(house)}", {"rate": "1/min"}), Role.OPERATOR),
    ("POST", "/keys/{key}/rotate", lambda house: (f"/keys/{key(house)}/rotate", {}), Role.OPERATOR),
    ("DELETE", "/keys/{key}", lambda house: (f"/keys/{key(house)}", None), Role.OPERATOR),
    ("GET", "/operators", lambda _: ("/operators", None), Role.AUDITOR),
    ("GET", "/operators/{operator}", lambda house: (f"/operators/{victim(house)}", None), Role.AUDITOR),
    ("POST", "/operators", lambda _: ("/operators", {"name": "new", "role": "owner"}), Role.OWNER),
    (
        "PATCH",
        "/operators/{operator}",
        lambda house: (f"/operators/{victim(house)}", {"role": "owner"}),
        Role.OWNER,
    ),
    (
        "POST",
        "/operators/{operator}/rotate",
        lambda house: (f"/operators/{victim(house)}/rotate", None),
        Role.OWNER,
    ),
    ("DELETE", "/operators/{operator}", lambda house: (f"/operators/{victim(house)}", None), Role.OWNER),
    ("GET", "/blocks", lambda _: ("/blocks", None), Role.AUDITOR),
    ("GET", "/blocks/{block}", lambda house: (f"/blocks/{block(house)}", None), Role.AUDITOR),
    ("POST", "/blocks", lambda _: ("/blocks", {"kind": "agent", "value": "ci"}), Role.APPROVER),
    ("DELETE", "/blocks/{block}", lambda house: (f"/blocks/{block(house)}", None), Role.OPERATOR),
)


def test_every_operation_has_its_case() -> None:
    assert [(route.method, route.path) for route in ROUTES] == [(method, path) for method, path, *_ in CASES]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}")
def test_who_may_do_what(case: Case, role: Role) -> None:
    method, template, asks, least = case
    house = House()
    path, body = asks(house)
    token = house.operator(role).text
    before = house.store.epoch()
    asked = len(house.live.asked)
    answer = house.ask(method, path, body, token=token)
    order = list(Role)
    if order.index(role) <= order.index(least):
        assert answer.status in {200, 201}, answer.body
        route = next(route for route in ROUTES if (route.method, route.path) == (method, template))
        assert answer.status == route.status
        assert (house.store.epoch() > before) is (method != "GET")
    else:
        assert (answer.status, answer.reason) == (403, "operator_forbidden")
        assert house.store.epoch() == before
        assert house.live.asked[asked:] == []


@pytest.mark.parametrize("role", list(Role))
def test_what_changes_names_who_did_it(role: Role) -> None:
    house = House()
    made = house.operator(role)
    for method, _, asks, least in CASES:
        if method == "GET" or list(Role).index(role) > list(Role).index(least):
            continue
        path, body = asks(house)
        house.store.outbox_done(10**9)
        assert house.ask(method, path, body, token=made.text).status < 300
        (entry,) = house.store.outbox(0, 9)
        change = records.decode(entry.record)
        assert isinstance(change, records.Change)
        assert (change.actor.subject, change.actor.method) == (made.record.name, "api")


def test_a_new_secret_is_said_once_and_never_again() -> None:
    house = House()
    made = house.ask("POST", "/keys", {"agent": "ci", "rate": "10/min"}).said
    added = house.ask("POST", "/operators", {"name": "anna", "role": "viewer"}).said
    assert made["key"].startswith("dw_live_")
    assert added["token"].startswith("dwa_")
    texts = [house.ask("GET", path).body for path in ("/keys", f"/keys/{made['id']}", "/operators")]
    written = b"".join(entry.record for entry in house.store.outbox(0, 99))
    for secret in (made["key"].split("_")[3], added["token"].split("_")[2]):
        assert all(secret.encode() not in text for text in (*texts, written))


def test_an_operator_with_limits_sees_and_makes_keys_of_its_agents_only() -> None:
    house = House()
    token = house.operator("operator", agents=["ci"]).text
    other = house.ask("POST", "/keys", {"agent": "bot"}).said["id"]
    mine = house.ask("POST", "/keys", {"agent": "ci"}, token=token).said["id"]
    assert [row["id"] for row in house.ask("GET", "/keys", token=token).said["keys"]] == [mine]
    for method, path, body in (
        ("POST", "/keys", {"agent": "bot"}),
        ("GET", f"/keys/{other}", None),
        ("PATCH", f"/keys/{other}", {"rate": None}),
        ("POST", f"/keys/{other}/rotate", {}),
        ("DELETE", f"/keys/{other}", None),
        ("POST", "/keys", {"agent": "ci", "expires_at": None}),
    ):
        assert house.ask(method, path, body, token=token).reason == "operator_forbidden"


def test_lists_come_in_pages() -> None:
    house = House()
    made = {house.ask("POST", "/keys", {"agent": "ci"}).said["id"] for _ in range(5)}
    found: list[str] = []
    cursor = ""
    for _ in range(3):
        said = house.ask("GET", f"/keys?limit=2{cursor}").said
        found += [row["id"] for row in said["keys"]]
        cursor = f"&cursor={said['cursor']}"
    assert said["cursor"] is None
    assert (len(found), set(found)) == (5, made)
    for wrong in ("limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=!", "more=1", "limit=1&limit=2"):
        assert house.ask("GET", f"/keys?{wrong}").reason == "invalid_request"


def test_tools_come_in_pages_of_the_gateway() -> None:
    house = House()
    said = house.ask("GET", "/tools?limit=1").said
    assert said["tools"][0]["name"] == "find"
    assert said["cursor"] is None
    house.ask("GET", "/tools?limit=1&cursor=WyJjcm0iLCJhIl0")
    assert house.live.asked[-1] == ("tools", None, ("crm", "a"), 2)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/keys", {"agent": "nobody"}, 404),
        ("POST", "/keys", {}, 400),
        ("POST", "/keys", {"agent": "ci", "odd": 1}, 400),
        ("POST", "/keys", {"agent": 1}, 400),
        ("POST", "/keys", {"agent": "ci", "rate": "often"}, 400),
        ("POST", "/keys", {"agent": "ci", "expires_at": NOW - DAY}, 400),
        ("PATCH", "/keys/0123456789AB", {"rate": "1/s"}, 404),
        ("DELETE", "/keys/0123456789AB", {"x": 1}, 400),
        ("POST", "/operators", {"name": "owner", "role": "viewer"}, 409),
        ("POST", "/operators", {"name": "x", "role": "king"}, 400),
        ("DELETE", "/operators/owner", None, 409),
        ("POST", "/blocks", {"kind": "tool", "value": "x"}, 400),
        ("DELETE", "/blocks/bl_0", None, 404),
        ("POST", "/calls/cancel", {}, 400),
        ("POST", "/calls/cancel", {"odd": "x"}, 400),
        ("GET", "/servers/none", None, 404),
        ("GET", "/nothing", None, 404),
        ("GET", "/keys/", None, 404),
        ("PUT", "/keys", None, 405),
        ("DELETE", "/keys", None, 405),
    ],
)
def test_what_cannot_be(method: str, path: str, body: Any, status: int) -> None:
    house = House()
    answer = house.ask(method, path, body)
    assert answer.status == status, answer.body
    assert set(answer.said["error"]) == {"reason", "message", "hint"}
    assert answer.headers["cache-control"] == "no-store"


def test_a_change_is_in_force_or_says_that_it_is_not() -> None:
    house = House()
    answer = house.ask("POST", "/keys", {"agent": "ci"})
    assert "doorward-pending" not in answer.headers
    assert house.live.asked == ["apply"]
    house.live.failing = "the disk is full"
    answer = house.ask("POST", "/keys", {"agent": "ci"})
    assert (answer.status, answer.headers["doorward-pending"]) == (201, "the disk is full")
    assert len(house.store.keys()) == 2
    house.ask("GET", "/keys")
    assert house.live.asked == ["apply", "apply"]


def test_what_keys_lists_is_filtered() -> None:
    house = House()
    first = house.ask("POST", "/keys", {"agent": "ci"}).said["id"]
    second = house.ask("POST", "/keys", {"agent": "bot"}).said["id"]
    house.ask("DELETE", f"/keys/{first}")

    def ids(query: str) -> list[str]:
        return [row["id"] for row in house.ask("GET", f"/keys?{query}").said["keys"]]

    assert ids("agent=bot") == [second]
    assert ids("state=revoked") == [first]
    assert ids("state=live&agent=ci") == []


def test_lifted_blocks_are_listed_on_request() -> None:
    house = House()
    placed = block(house)
    house.ask("DELETE", f"/blocks/{placed}")
    assert house.ask("GET", "/blocks").said["blocks"] == []
    (row,) = house.ask("GET", "/blocks?all=true").said["blocks"]
    assert (row["id"], row["in_force"]) == (placed, False)


def test_what_an_operator_is_shown_of_the_gateway() -> None:
    house = House()
    assert house.ask("GET", "/status").said["status"] == "ready"
    (bot, ci) = house.ask("GET", "/agents").said["agents"]
    assert (bot["name"], ci["name"], ci["team"], ci["rate"]) == ("bot", "ci", "a", "100/min")
    assert json.dumps(ci["grants"]).count("doorward.yaml") == 3
    me = house.ask("GET", "/whoami").said
    assert (me["operator"]["name"], "keys:endless" in me["rights"]) == ("owner", True)


def test_paths_are_found_by_segments() -> None:
    assert find("GET", "/keys") != []
    assert find("GET", "/keys/a/b/c") == []
    assert sorted(find("PUT", "/keys")) == ["GET", "POST"]


def test_two_owners_cannot_remove_each_other() -> None:
    house = House()
    seconds = house.operator("owner")
    first = house.plane.operator(house.owner)
    statuses: list[int] = []
    store = house.store

    class Slow(type(store)):  # type: ignore[misc]
        def operators(self) -> list[OperatorRecord]:
            found: list[OperatorRecord] = store.operators()
            time.sleep(0.02)
            return found

        def change_operator(self, operator: OperatorRecord, change: bytes) -> bool:
            return store.change_operator(operator, change)

        def facts(self) -> StoreFacts:
            return store.facts()

        def epoch(self) -> int:
            return store.epoch()

        def touch(self, last_used: Mapping[str, float]) -> None:
            store.touch(last_used)

    house.plane.store = Slow()

    def remove(who: str, token: str) -> None:
        statuses.append(house.ask("DELETE", f"/operators/{who}", token=token).status)

    threads = [
        threading.Thread(target=remove, args=(seconds.record.id, house.owner)),
        threading.Thread(target=remove, args=(first.id, seconds.text)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) in ([200, 401], [200, 409])
    assert len([each for each in store.operators() if each.removed_at is None]) == 1


def test_a_long_answer_is_the_whole_answer() -> None:
    house = House()
    made = {house.ask("POST", "/keys", {"agent": "ci"}).said["id"] for _ in range(120)}
    rests: list[int] = []
    house.plane.rest = lambda: rests.append(1)
    answer = house.ask("GET", "/keys?limit=120")
    assert int(answer.headers["content-length"]) == len(answer.body) > 64 * 1024
    assert {row["id"] for row in answer.said["keys"]} == made
    assert len(rests) >= 240


def test_a_body_has_one_reading() -> None:
    house = House()
    twice = b'{"agent": "ci", "name": "a", "name": "b"}'
    answer = house.ask("POST", "/keys", raw=twice)
    assert (answer.status, answer.said["error"]["message"]) == (400, "'name' is there twice")
    assert house.ask("GET", "/keys").said["keys"] == []
