"""What a head decides before its body is here, what silence means, and who is behind a proxy."""

import asyncio
import dataclasses
import json
from typing import Any

import msgspec
import pytest

from doorward.edge.exchange import Exchange
from doorward.edge.forwarded import Proxies
from doorward.edge.limits import Refusal
from doorward.edge.peers import Networks
from doorward.model.call import Credential
from doorward.model.errors import CallerError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from tests.playbook.house import modern
from tests.unit.edge.exchanges import Channel, exchange
from tests.unit.edge.test_plane import CALL, KEY, SSE, Face, Hanging, Nobody

pytestmark = pytest.mark.asyncio


# a head whose body is still to come


def screened(face: Face, *args: Any, **more: Any) -> tuple[bool, Channel]:
    one, channel = exchange(*args, **more)
    return face.plane.screen(one), channel


@pytest.mark.spec("DW-087")
@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/mcp", {}, (401, -31010, "credential_missing")),
        ("/mcp", {b"authorization": b"Bearer nobody"}, (401, -31010, "credential_invalid")),
        ("/mcp", KEY | {b"x-doorward-key": b"bot"}, (400, -31010, "credential_ambiguous")),
        ("/mcp", KEY | {b"host": b"evil.example"}, (403, -32600, "host_forbidden")),
        ("/mcp", KEY | {b"origin": b"https://evil.example"}, (403, -32600, "origin_forbidden")),
        ("/mcp", KEY | {b"content-type": b"text/plain"}, (415, -32600, "unsupported_media_type")),
        ("/mcp", KEY | {b"accept": b"text/html"}, (406, -32600, "not_acceptable")),
        ("/elsewhere", KEY, (404, -32600, "path_not_found")),
    ],
)
async def test_a_body_that_its_head_forbids_is_refused_before_it_is_sent(path, headers, expected) -> None:
    face = Face()

    taken, channel = screened(face, b"POST", path, headers)

    assert taken
    async with asyncio.timeout(5):
        await channel.ended.wait()
    assert channel.error == expected
    assert [record["reason"] for record in face.house.log.records] == [expected[2]]


async def test_a_body_that_may_come_is_waited_for() -> None:
    face = Face()
    for args in [
        (b"POST", "/mcp/bank", KEY),
        (b"POST", "/mcp/unknown", KEY),  # a hidden server and an unknown one are told apart nowhere
        (b"GET", "/healthz", {}),
        (b"DELETE", "/mcp", {}),
    ]:
        taken, channel = screened(face, *args)
        assert (taken, channel.out) == (False, b"")
    assert face.house.log.records == []


async def test_what_is_known_of_a_repeated_head_saves_looking_again_but_not_who_asks() -> None:
    face = Face()
    headers = await face.session()
    first, _ = exchange(headers=headers, body=CALL)
    face.plane.handle(first)
    assert await face.plane.drain(5.0) == 0
    channel = Channel("192.0.2.1")
    again = Exchange(first.request, channel, False)

    assert not face.plane.screen(again)
    face.house.door.swap(dataclasses.replace(face.house.door.gateway, identity=Nobody()))
    assert face.plane.screen(again)

    async with asyncio.timeout(5):
        await channel.ended.wait()
    assert channel.status == 401


# silence


@pytest.mark.spec("DW-233")
async def test_a_stream_in_silence_is_given_a_sign_of_life_while_somebody_reads() -> None:
    face = Face()
    headers = await face.session()
    stream, channel = exchange(b"GET", "/mcp/bank", headers | SSE)
    face.plane.handle(stream)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert stream.started

    face.plane.quiet(stream)
    channel.write_paused = True
    face.plane.quiet(stream)

    assert channel.body.count(b":\n\n") == 1


@pytest.mark.parametrize(
    ("era", "accept", "streams"),
    [
        ("legacy", b"application/json, text/event-stream", True),
        ("modern", b"application/json, text/event-stream", True),
        ("legacy", b"*/*", False),
        ("first", b"application/json, text/event-stream", False),
    ],
)
async def test_a_call_that_takes_long_becomes_a_stream_where_its_caller_takes_one(
    era: str, accept: bytes, streams: bool
) -> None:
    face = Face()
    server = Hanging(face)
    if era == "modern":
        caller, params = await modern(face.house), {"name": "balance"}
        headers = KEY | caller.fields("tools/call", params)
        body = json.dumps(caller.message("tools/call", params, id=1)).encode()
    else:
        headers, body = await face.session(), CALL
    one, channel = exchange(headers=headers | {b"accept": accept}, body=body)
    face.plane.handle(one)
    await server.begun.wait()
    if era == "first":  # `initialize` brings no session, and its answer has one in a header
        del one.request.headers[b"mcp-session-id"]

    face.plane.quiet(one)
    server.go.set()
    async with asyncio.timeout(5):
        await channel.ended.wait()

    if streams:
        assert channel.fields["content-type"] == "text/event-stream"
        assert channel.body.startswith(b"3\r\n:\n\n\r\n")
        assert [event["result"]["content"][0]["text"] for event in channel.events] == ["done"]
    else:
        assert channel.fields["content-type"] == "application/json"


async def test_silence_of_what_is_no_call_is_left_alone() -> None:
    face = Face()
    one, channel = exchange(b"GET", "/mcp/bank", SSE | {b"accept": b"text/event-stream"})

    face.plane.quiet(one)

    assert channel.out == b""


# behind a trusted proxy


def behind(face: Face, *proxies: str, https: bool = False) -> None:
    face.plane.settings = msgspec.structs.replace(
        face.plane.settings, proxies=Proxies(Networks(proxies), https=https)
    )


async def test_the_client_that_a_trusted_proxy_names_stands_in_the_record() -> None:
    face = Face()
    behind(face, "10.0.0.0/8")
    named = {b"x-forwarded-for": b"1.1.1.1, 198.51.100.7"}

    await face.ask(headers=named, peer="10.0.0.1")
    await face.ask(headers=named, peer="192.0.2.1")

    assert [record["peer"] for record in face.house.log.records] == ["198.51.100.0/24", "192.0.2.0/24"]


async def test_a_client_with_too_many_connections_is_told_to_come_again() -> None:
    face = Face()
    behind(face, "10.0.0.1")
    one, channel = exchange(headers={b"x-forwarded-for": b"198.51.100.7"}, peer="10.0.0.1")
    channel.refuses = Refusal.CONNECTIONS_PER_IP

    face.plane.handle(one)
    async with asyncio.timeout(5):
        await channel.ended.wait()

    assert channel.error == (503, -32603, "overloaded")
    assert channel.fields["retry-after"] == "1"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({b"forwarded": b'for="x'}, (400, -32600, "forwarded_invalid")),
        ({b"x-forwarded-proto": b"http"}, (403, -32600, "transport_insecure")),
    ],
)
async def test_what_a_proxy_must_not_say_is_refused_with_and_without_a_body(fields, expected) -> None:
    face = Face()
    behind(face, "10.0.0.1", https=True)

    channel = await face.ask(headers=KEY | fields, peer="10.0.0.1")
    taken, early = screened(face, headers=KEY | fields, peer="10.0.0.1")

    assert channel.error == expected
    assert taken
    async with asyncio.timeout(5):
        await early.ended.wait()
    assert early.error == expected
    assert (await face.ask(b"GET", "/healthz", fields)).status == 200


async def test_a_proxied_peer_is_never_local_even_when_it_names_this_machine() -> None:
    face = Face()
    behind(face, "127.0.0.1")
    seen: list[Credential] = []

    class Watch:
        def identify(self, credential: Credential, endpoint: str | None) -> Principal:
            seen.append(credential)
            raise CallerError(Reason.CREDENTIAL_MISSING, "no key")

    face.house.door.swap(dataclasses.replace(face.house.door.gateway, identity=Watch()))
    await face.ask(headers={b"x-forwarded-for": b"127.0.0.1"}, peer="127.0.0.1")
    await face.ask(peer="127.0.0.1")  # a proxy that says nothing is a proxy all the same

    assert [(each.local, each.proxied) for each in seen] == [(False, True), (False, True)]
