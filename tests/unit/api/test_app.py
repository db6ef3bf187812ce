"""Who gets no answer from the API: web pages, agents, strangers, and those who send too much."""

import asyncio
from typing import Any

import pytest

from doorward.api import app
from doorward.api.app import Face
from doorward.control import operators
from doorward.control.errors import Unavailable
from doorward.identity import keys
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.store import StoreFacts
from tests.unit.api.house import HOST, NOW, House, call

DAY = 86_400.0


def host(value: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"host", value.encode()),)


@pytest.mark.parametrize(
    "value", ["127.0.0.1:7421", "localhost:7421", "LOCALHOST", "127.0.0.2", "[::1]:7421", "[::1]"]
)
def test_this_machine_is_asked_by_any_of_its_names(value: str) -> None:
    assert House().ask("GET", "/whoami", fields=host(value)).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (HOST, HOST),
        *(
            host(value)
            for value in (
                "",
                "evil.example",
                "evil.example:7421",
                "127.0.0.1.evil.example",
                "localhost.evil.example",
                "10.0.0.1:7421",
                "0.0.0.0:7421",
                "127.0.0.1@evil.example",
                "evil@127.0.0.1",
                "127.0.0.1:7421/x",
                "127.0.0.1:7421?x",
                "127.0.0.1:x",
                "127.0.0.1:0",
                "127.0.0.1:99999",
                "[::1",
            )
        ),
    ],
)
def test_a_foreign_host_is_refused_everywhere(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    house = House()
    for path in ("/whoami", "/openapi.json", "//healthz", "//readyz"):
        answer = house.ask("GET", path, fields=fields)
        assert (answer.status, answer.reason) == (403, "host_forbidden")


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        (b"origin", b"http://127.0.0.1:7421", 200),
        (b"origin", b"http://evil.example", 403),
        (b"origin", b"http://127.0.0.1:7422", 403),
        (b"origin", b"https://127.0.0.1:7421", 403),
        (b"origin", b"null", 403),
        (b"origin", b"", 403),
        (b"sec-fetch-site", b"same-origin", 200),
        (b"sec-fetch-site", b"none", 200),
        (b"sec-fetch-site", b"same-site", 403),
        (b"sec-fetch-site", b"cross-site", 403),
    ],
)
def test_a_page_of_another_origin_is_refused(field: bytes, value: bytes, status: int) -> None:
    house = House()
    answer = house.ask("POST", "/keys", {"agent": "ci"}, fields=(HOST, (field, value)))
    assert answer.status == (201 if status == 200 else 403)
    assert len(house.store.keys()) == (1 if status == 200 else 0)
    assert "access-control-allow-origin" not in answer.headers


def presented(house: House) -> dict[str, str | None]:
    """Whatever is no token that holds."""
    by = house.plane.operator(house.owner)
    removed = house.operator("owner")
    operators.remove_operator(house.store, removed.record.id, by=by, now=NOW)
    expired = house.operator("owner", expires_at=NOW + 1)
    key = house.ask("POST", "/keys", {"agent": "ci"}).said["key"]
    house.plane.clock = lambda: NOW + 2
    return {
        "nothing": None,
        "an agent's key": key,
        "an unknown key": keys.mint("live").text,
        "an access token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
        "another house's owner": House().owner,
        "half a token": house.owner[:-1],
        "another secret": house.owner[:17] + House().owner[17:],
        "a removed operator": removed.text,
        "an operator whose time is over": expired.text,
        "blanks": "   ",
        "unicode": "dwa_ü",
    }


def test_who_is_no_operator_is_told_nothing_and_recorded() -> None:
    house = House()
    words = set()
    for what, token in presented(house).items():
        house.live.asked.clear()
        for method, path in (("GET", "/whoami"), ("POST", "/keys"), ("GET", "/nowhere")):
            answer = house.ask(method, path, {"agent": "ci"} if method == "POST" else None, token=token)
            assert answer.status == 401, what
            assert answer.headers["www-authenticate"] == 'Bearer realm="doorward-admin"'
            words.add(answer.body)
        assert [asked[0] for asked in house.live.asked] == ["refused"] * 3, what
        assert {asked[2] for asked in house.live.asked} == {"127.0.0.1"}
    assert len(words) == 2  # nothing presented, and nothing that holds
    assert len(house.store.keys()) == 1


def test_the_record_knows_more_than_the_caller() -> None:
    house = House()
    shown = presented(house)
    reasons = {}
    for what in ("a removed operator", "an operator whose time is over", "an agent's key", "nothing"):
        house.live.asked.clear()
        house.ask("GET", "/whoami", token=shown[what])
        ((_, reason, _),) = house.live.asked
        reasons[what] = reason
    assert reasons == {
        "a removed operator": "credential_revoked",
        "an operator whose time is over": "credential_expired",
        "an agent's key": "credential_invalid",
        "nothing": "credential_missing",
    }


@pytest.mark.parametrize(
    "fields",
    [
        [(b"authorization", b"Basic dTpw")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        "twice",
        "both",
    ],
)
def test_one_token_in_one_way(fields: Any) -> None:
    house = House()
    good = (b"authorization", f"Bearer {house.owner}".encode())
    given = {"twice": [good, good], "both": [good, (b"authorization", b"Bearer x")]}.get(str(fields), fields)
    answer = house.ask("GET", "/whoami", token=None, fields=(HOST, *given))
    assert (answer.status, answer.reason) == (401, "credential_invalid")


def test_a_token_in_a_query_is_none() -> None:
    house = House()
    answer = house.ask("GET", f"/whoami?access_token={house.owner}", token=None)
    assert (answer.status, answer.reason) == (401, "credential_missing")


def test_a_body_is_bounded_and_json() -> None:
    house = House()
    most = b'{"agent":"ci","name":"a"}'.ljust(app.MAX_BODY)
    assert house.ask("POST", "/keys", raw=most).status == 201
    answer = house.ask("POST", "/keys", raw=most + b" ")
    assert (answer.status, answer.reason) == (413, "body_too_large")
    for kind in (b"text/plain", b"application/x-www-form-urlencoded", b""):
        answer = house.ask("POST", "/keys", {"agent": "ci"}, fields=(HOST, (b"content-type", kind)))
        assert (answer.status, answer.reason) == (415, "unsupported_media_type")
    for text in (b"{", b"[]", b"\xff", b'{"agent":' + b"[" * 2000 + b"]" * 2000 + b"}", b"null"):
        assert house.ask("POST", "/keys", raw=text).reason == "invalid_request"
    assert len(house.store.keys()) == 1


def test_nobody_takes_in_a_body_of_a_stranger() -> None:
    house = House()
    read = []

    async def receive() -> dict[str, Any]:
        read.append(1)
        return {"type": "http.request", "body": b"x", "more_body": True}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/keys", "query_string": b"", "root_path": "",
        "headers": [HOST, (b"authorization", b"Bearer dwa_x")], "client": None, "scheme": "http",
    }  # fmt: skip
    asyncio.run(house.app(scope, receive, send))
    assert sent[0]["status"] == 401
    assert read == []
    assert house.live.asked == [("refused", "credential_invalid", "unix")]


def test_too_many_at_once_are_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    monkeypatch.setattr(app, "MOST_WAITING", 0)
    answer = house.ask("GET", "/whoami")
    assert (answer.status, answer.reason) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"


def test_a_store_or_gateway_that_fails_is_said() -> None:
    house = House()

    class Away(type(house.store)):  # type: ignore[misc]
        def facts(self) -> StoreFacts:
            raise GatewayError(Reason.STORE_UNAVAILABLE, "the disk is gone")

    house.plane.store = Away()
    house.plane._facts = None
    answer = house.ask("GET", "/whoami")
    assert (answer.status, answer.reason) == (503, "store_unavailable")


def test_without_a_gateway_the_rest_goes_on() -> None:
    house = House()

    def gone(*_: object) -> Any:
        raise Unavailable("the gateway is gone")

    house.live.state = gone  # type: ignore[method-assign]
    assert house.ask("GET", "/status").reason == "gateway_unavailable"
    assert house.ask("GET", "/operators").status == 200
    assert house.ask("GET", "//readyz", token=None).status == 503
    assert house.ask("GET", "//healthz", token=None).said == {"status": "ok"}


def test_readiness_says_no_more_than_a_word() -> None:
    house = House()
    assert house.ask("GET", "//readyz", token=None).said == {"status": "ready"}


def test_a_bug_is_said_to_be_one_and_nothing_of_it() -> None:
    house = House()

    def bug() -> dict[str, Any]:
        raise ZeroDivisionError("secret")

    house.live.state = bug  # type: ignore[method-assign]
    fields = [HOST, (b"authorization", f"Bearer {house.owner}".encode())]
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/status", "query_string": b"", "root_path": "",
        "headers": fields, "client": ("127.0.0.1", 1), "scheme": "http",
    }  # fmt: skip
    with pytest.raises(ZeroDivisionError):  # for the log of whoever runs it
        asyncio.run(house.app(scope, receive, send))
    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"]
    assert b"internal_error" in sent[1]["body"]


def test_other_methods_have_answers_of_the_same_form() -> None:
    house = House()
    for method in ("PUT", "OPTIONS", "TRACE", "HEAD"):
        answer = asyncio.run(call(house.app, method, "/api/v1/keys", [HOST], b""))
        assert answer.status in {401, 405}
        assert "access-control-allow-methods" not in answer.headers


def test_the_face_is_made_once_for_a_plane() -> None:
    house = House()
    assert Face(house.plane).application() is not house.app
