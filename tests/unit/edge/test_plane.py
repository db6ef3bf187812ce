"""The HTTP face: paths, methods, headers, streams; every refusal answered exactly and on record."""

import asyncio
import dataclasses
import json
from typing import Any

import msgspec
import pytest

from doorward.edge.exchange import Exchange, HttpRequest
from doorward.edge.guard import Guard
from doorward.edge.head import Memo
from doorward.edge.plane import DataPlane, PlaneSettings
from doorward.edge.streams import SessionStreams
from doorward.model.call import Credential, Reply
from doorward.model.certificate import ClientCertificate
from doorward.model.errors import CallerError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.wire import jsonrpc
from tests.playbook.house import MODERN, House, hello, legacy, modern, request
from tests.unit.edge.exchanges import Channel, exchange

pytestmark = pytest.mark.asyncio
KEY = {b"authorization": b"Bearer bot"}
BASIC = {b"authorization": b"Basic eA=="}
READY = {"status": "degraded", "servers": {"bank": {"state": "down"}}}
TOKEN = "t0ken"
SSE = {b"accept": b"text/event-stream"}


class Face:
    """A data plane over a house."""

    def __init__(self) -> None:
        self.house = House()
        self.streams = SessionStreams()
        self.state: dict[str, Any] = dict(READY)
        settings = PlaneSettings(
            {"/mcp": None, "/mcp/bank": "bank", "/mcp/files": "files"},
            Guard(hosts=frozenset({"gw.example"}), origins=frozenset({"https://app.example"})),
        )
        self.plane = DataPlane(
            self.house.door,
            self.streams,
            settings,
            lambda operator: self.state | ({"all": 1} if operator else {}),
            TOKEN,
        )

    async def ask(self, *args: Any, **more: Any) -> Channel:
        one, channel = exchange(*args, **more)
        self.plane.handle(one)
        async with asyncio.timeout(5):
            await channel.ended.wait()
        return channel

    async def session(self) -> dict[bytes, bytes]:
        return KEY | (await legacy(self.house)).headers


def message(method: str, params: dict[str, Any] | None = None, *, id: Any = 1) -> bytes:  # noqa: A002
    return json.dumps(request(method, params, id=id)).encode()


CALL = message("tools/call", {"name": "balance"})


async def test_a_call_by_http() -> None:
    face = Face()

    channel = await face.ask(headers=await face.session(), body=CALL)

    assert channel.status == 200
    assert channel.fields["content-type"] == "application/json"
    assert json.loads(channel.body)["result"]["content"][0]["text"] == "done"
    assert await face.plane.drain(5.0) == 0
    assert face.plane.running == 0


@pytest.mark.spec("DW-072", "DW-401")
@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        (b"POST", "/", {}, (404, -32600, "path_not_found")),
        (b"POST", "/mcp/Unknown", KEY, (404, -32600, "path_not_found")),
        (b"POST", "/mcp/unknown", {}, (401, -31010, "credential_missing")),
        (b"GET", "/mcp/", KEY, (404, -32600, "path_not_found")),
        (b"PUT", "/mcp", KEY, (405, -32600, "http_method_not_allowed")),
        (b"GET", "/mcp", KEY | SSE, (405, -32600, "http_method_not_allowed")),
        (b"DELETE", "/mcp", KEY, (405, -32600, "http_method_not_allowed")),
        (b"OPTIONS", "/mcp", {}, (405, -32600, "http_method_not_allowed")),
        (b"POST", "/healthz", {}, (404, -32600, "path_not_found")),
        (b"POST", "/mcp", {b"host": b"evil.example"}, (403, -32600, "host_forbidden")),
        (b"GET", "/healthz", {b"host": b"evil.example"}, (403, -32600, "host_forbidden")),
        (b"POST", "/mcp", {b"origin": b"https://evil.example"}, (403, -32600, "origin_forbidden")),
        (b"POST", "/mcp", {b"content-type": b"text/plain"}, (415, -32600, "unsupported_media_type")),
        (b"POST", "/mcp", {b"accept": b"text/html"}, (406, -32600, "not_acceptable")),
        (b"POST", "/mcp", {}, (401, -31010, "credential_missing")),
        (b"POST", "/mcp", BASIC, (401, -31010, "credential_invalid")),
        (b"POST", "/mcp", KEY | {b"x-doorward-key": b"bot"}, (400, -31010, "credential_ambiguous")),
        (b"GET", "/mcp", SSE | {b"mcp-session-id": b"x"}, (401, -31010, "credential_missing")),
        (b"GET", "/mcp", BASIC | SSE | {b"mcp-session-id": b"x"}, (401, -31010, "credential_invalid")),
        (b"GET", "/mcp", KEY | {b"mcp-session-id": b"x"}, (406, -32600, "not_acceptable")),
        (b"GET", "/mcp", KEY | SSE | {b"mcp-session-id": b"x"}, (404, -32600, "session_unknown")),
        (b"DELETE", "/mcp", KEY | {b"mcp-session-id": b"x"}, (404, -32600, "session_unknown")),
        (b"DELETE", "/mcp", {b"mcp-session-id": b"x"}, (401, -31010, "credential_missing")),
    ],
)  # fmt: skip
async def test_each_refusal_has_its_answer_and_its_record(method, path, headers, expected) -> None:
    face = Face()

    channel = await face.ask(method, path, headers, b"not looked at")

    assert channel.error == expected
    (record,) = face.house.log.records
    assert expected[2] in (record.get("reason"), record.get("decision", {}).get("reason"))
    assert record["kind"] == ("decision" if expected[2] == "session_unknown" else "refusal")


@pytest.mark.spec("DW-072")
@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
async def test_the_modern_revision_has_neither_get_nor_delete(method: bytes) -> None:
    face = Face()
    headers = await face.session() | SSE | {b"mcp-protocol-version": MODERN.encode()}

    channel = await face.ask(method, headers=headers)

    assert channel.error[0] == 405
    assert channel.fields["allow"] == "POST, GET, DELETE"


@pytest.mark.spec("DW-403", "DW-829")
async def test_an_allowed_origin_gets_its_headers_on_answers_and_refusals() -> None:
    face = Face()
    origin = {b"origin": b"https://app.example"}

    preflight = await face.ask(
        b"OPTIONS", headers=origin | {b"access-control-request-headers": b"Mcp-Param-To, x-other"}
    )
    answered = await face.ask(headers=await face.session() | origin, body=CALL)
    refused = await face.ask(headers=origin | {b"content-type": b"text/plain"})
    unknown = await face.ask(headers=origin, body=CALL)

    assert preflight.status == 204
    assert preflight.fields["access-control-allow-headers"].endswith(", mcp-param-to")
    for channel, status in ((answered, 200), (refused, 415), (unknown, 401)):
        assert channel.status == status
        assert channel.fields["access-control-allow-origin"] == "https://app.example"
        assert channel.fields["vary"] == "origin"


@pytest.mark.spec("DW-095")
async def test_a_stream_of_a_session_carries_what_is_pushed_and_ends_with_it() -> None:
    face = Face()
    headers = await face.session()
    session_id = headers[b"mcp-session-id"].decode()
    one, channel = exchange(b"GET", headers=headers | SSE)

    face.plane.handle(one)
    await asyncio.sleep(0)
    assert channel.fields["content-type"] == "text/event-stream"
    assert [session.id for session, _ in face.streams.listening()] == [session_id]
    assert face.streams.push(session_id, jsonrpc.encode_notification("n", None))
    deleted = await face.ask(b"DELETE", headers=headers)

    assert deleted.status == 200
    assert channel.events == [{"jsonrpc": "2.0", "method": "n"}]
    gone = await face.ask(headers=headers, body=CALL)
    assert gone.error == (404, -32600, "session_unknown")
    face.streams.close_all()


@pytest.mark.spec("DW-371")
async def test_a_notification_before_the_answer_makes_it_a_stream() -> None:
    face = Face()

    async def tell(permit: Permit) -> Reply:
        assert permit.call.events is not None
        for n in range(2):
            await permit.call.events.emit(jsonrpc.encode_notification("notifications/progress", {"n": n}))
        return await hello(permit)

    face.house.servers.script = tell
    channel = await face.ask(headers=await face.session(), body=CALL)

    assert channel.fields["content-type"] == "text/event-stream"
    assert [event.get("params") for event in channel.events] == [{"n": 0}, {"n": 1}, None]
    assert channel.events[2]["id"] == 1
    assert channel.body.endswith(b"0\r\n\r\n")


class Hanging:
    """A server that answers when it is let go."""

    def __init__(self, face: Face) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        face.house.servers.script = self

    async def __call__(self, permit: Permit) -> Reply:
        self.begun.set()
        await self.go.wait()
        return await hello(permit)


@pytest.mark.spec("DW-213")
async def test_a_modern_caller_that_goes_away_cancels_its_call() -> None:
    face = Face()
    server = Hanging(face)
    caller = await modern(face.house)
    params = {"name": "balance"}
    body = json.dumps(caller.message("tools/call", params, id=1)).encode()
    one, channel = exchange(headers=KEY | caller.fields("tools/call", params), body=body)
    face.plane.handle(one)
    await server.begun.wait()

    one.lose()
    await face.plane.drain(5.0)

    assert face.house.log.kind("outcome")[0]["result"]["reason"] == "cancelled"
    assert channel.out == b""


@pytest.mark.spec("DW-212")
async def test_a_legacy_caller_that_goes_away_cancels_nothing() -> None:
    face = Face()
    server = Hanging(face)
    one, _ = exchange(headers=await face.session(), body=CALL)
    face.plane.handle(one)
    await server.begun.wait()

    one.lose()
    await asyncio.sleep(0)
    assert face.plane.running == 1
    server.go.set()
    assert await face.plane.drain(5.0) == 0

    assert face.house.log.kind("outcome")[0]["result"]["outcome"] == "ok"


async def test_draining_waits_and_then_cuts_what_a_server_was_given_without_inviting_it_again() -> None:
    face = Face()
    server = Hanging(face)
    one, channel = exchange(headers=await face.session(), body=CALL)
    face.plane.handle(one)
    await server.begun.wait()

    assert await face.plane.drain(0.01) == 1

    assert channel.error == (200, -32603, "call_cut")
    assert await face.plane.drain(0.01) == 0


async def test_a_request_that_is_cut_before_it_began_is_answered_too() -> None:
    face = Face()
    one, channel = exchange(b"GET", headers=await face.session() | SSE)
    face.plane.handle(one)

    for task in face.plane._running:
        task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert channel.error == (503, -32603, "shutting_down")


async def test_a_call_that_is_cut_while_its_decision_is_written_sends_nothing() -> None:
    face = Face()
    one, channel = exchange(headers=await face.session(), body=CALL)
    face.plane.handle(one)

    (errand,) = face.house.door.running
    face.house.door.stopping = True
    errand.cancel()
    await face.plane.drain(5.0)

    assert channel.error == (503, -32603, "shutting_down")
    assert face.house.servers.sent == []
    assert face.house.log.kind("outcome")[0]["result"]["outcome"] == "cancelled"


async def test_a_bug_behind_the_face_leaves_no_request_unanswered() -> None:
    face = Face()
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    async def broken(*_: Any) -> Any:
        raise RuntimeError("a bug in the door")

    headers = await face.session()
    face.house.door._answers = broken
    channel = await face.ask(headers=headers, body=b"no message")

    assert channel.error == (200, -32603, "internal_error")
    assert [str(one) for one in reported] == ["a bug in the door"]


async def test_health_says_nothing_and_readiness_names_servers_to_direct_loopback_only() -> None:
    face = Face()

    health = await face.ask(b"GET", "/healthz")
    assert (health.status, json.loads(health.body)) == (200, {"status": "ok"})
    for peer, headers, expected in [
        ("127.0.0.1", {}, READY),
        ("127.0.0.1", {b"x-forwarded-for": b"1.2.3.4"}, {"status": "degraded"}),
        ("127.0.0.1", {b"via": b"x"} | KEY, {"status": "degraded"}),
        ("192.0.2.1", {}, {"status": "degraded"}),
        ("127.0.0.1", {b"x-doorward-operator": b"t0ke"}, READY),
        ("192.0.2.1", {b"x-doorward-operator": b""}, {"status": "degraded"}),
        ("127.0.0.1", {b"x-doorward-operator": b"t0ken"}, READY | {"all": 1}),
        ("192.0.2.1", {b"x-doorward-operator": b"t0ken", b"via": b"x"}, READY | {"all": 1}),
    ]:
        ready = await face.ask(b"GET", "/readyz", headers, peer=peer)
        assert (ready.status, json.loads(ready.body)) == (200, expected)
    face.state = {"status": "not_ready"}
    assert (await face.ask(b"GET", "/readyz")).status == 503
    assert face.house.log.records == []


def under(memo: Memo, one: Exchange) -> HttpRequest:
    """The request of `one` as a head brings it that was there before."""
    return HttpRequest(msgspec.structs.replace(one.request.head, memo=memo), one.request.body)


async def test_what_a_repeated_head_decides_is_void_after_a_reload() -> None:
    face = Face()
    headers = await face.session()
    first, _ = exchange(headers=headers, body=CALL)
    memo = first.request.memo
    face.plane.handle(first)
    assert await face.plane.drain(5.0) == 0

    async def again() -> Channel:
        one, channel = exchange(headers=headers, body=CALL)
        face.plane.handle(Exchange(under(memo, one), channel, True))
        async with asyncio.timeout(5):
            await channel.ended.wait()
        return channel

    face.house.door.stopping = False  # as `drain` left it
    assert (await again()).status == 200
    nobody = Guard(hosts=frozenset({"gw.example"}), origins=frozenset())
    face.plane.settings = PlaneSettings({"/mcp/bank": "files"}, nobody)
    assert (await again()).error == (404, -32600, "session_unknown")


class Nobody:
    """Every key has been revoked."""

    def identify(self, credential: Credential, endpoint: str | None) -> Principal:
        raise CallerError(Reason.CREDENTIAL_REVOKED, "revoked")


async def test_a_revoked_key_is_refused_under_a_repeated_head_too() -> None:
    face = Face()
    headers = await face.session()
    memo = exchange()[0].request.memo
    statuses = []
    for _ in range(2):
        one, channel = exchange(headers=headers, body=CALL)
        face.plane.handle(Exchange(under(memo, one), channel, True))
        async with asyncio.timeout(5):
            await channel.ended.wait()
        statuses.append(channel.status)
        assert memo.value is not None
        face.house.door.swap(dataclasses.replace(face.house.door.gateway, identity=Nobody()))
    assert statuses == [200, 401]


async def test_without_a_token_of_its_own_nobody_is_an_operator() -> None:
    face = Face()
    face.plane = DataPlane(
        face.house.door, face.streams, face.plane.settings, lambda operator: {"status": str(operator)}
    )

    ready = await face.ask(b"GET", "/readyz", {b"x-doorward-operator": b""}, peer="127.0.0.1")

    assert json.loads(ready.body) == {"status": "False"}


class Witness:
    """Remembers what was presented."""

    def __init__(self) -> None:
        self.seen: list[Credential] = []

    def identify(self, credential: Credential, endpoint: str | None) -> Principal:
        self.seen.append(credential)
        raise CallerError(Reason.CREDENTIAL_REVOKED, "revoked")


async def test_what_the_handshake_has_proven_is_on_the_credential() -> None:
    face, witness = Face(), Witness()
    face.house.door.swap(dataclasses.replace(face.house.door.gateway, identity=witness))
    proven = ClientCertificate("ab" * 32, "CN=a", "CN=b", (), (), (), 0.0)
    for certificate in (proven, None):
        one, channel = exchange(body=CALL)
        channel.certificate = certificate
        face.plane.handle(one)
        async with asyncio.timeout(5):
            await channel.ended.wait()
    assert [credential.certificate for credential in witness.seen] == [proven, None]
