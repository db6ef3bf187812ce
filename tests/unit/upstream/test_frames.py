"""A filled frame is, byte for byte, the request that the long way makes of the same call."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.call import Era, Series
from doorward.model.principal import Principal
from doorward.model.target import Definition, Kind, OperationClass, Target
from doorward.model.verdict import Permit
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.http import HttpLeg, framed
from doorward.upstream.introduction import Introduction
from doorward.upstream.outgoing import outgoing
from doorward.upstream.relay import Relay
from doorward.upstream.session import HttpConversation, Means
from doorward.upstream.settings import ServerSettings
from doorward.wire import headers, jsonrpc
from tests.support.calls import tool_call

VERSIONS = {Era.LEGACY: "2025-11-25", Era.MODERN: "2026-07-28"}
ALICE = Principal("default", "alice", "coder", "key")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ARGUMENTS = st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT, max_size=2), max_size=3)


class Auth:
    """What is presented can change at any time."""

    def __init__(self) -> None:
        self.fields = [(b"authorization", b"Bearer one")]

    def __call__(self) -> list[tuple[bytes, bytes]]:
        return self.fields


def conversation_of(era: Era, auth: Auth | None = None) -> HttpConversation:
    """Needs a running loop."""
    settings = ServerSettings(name="files", url="http://127.0.0.1:9/mcp", auth_headers=auth or Auth())
    relay = Relay()
    leg = HttpLeg(settings, Deadlines(asyncio.get_running_loop()), relay)
    means = Means(settings, leg, relay, lambda work: work.close())
    session = b"session-1" if era is Era.LEGACY else None
    return HttpConversation(means, None, era, Introduction(VERSIONS[era], {}, {}, None), session)


def permit_of(era: Era, arguments: Any, name: str = "read", **changes: Any) -> Permit:
    schema = changes.pop("schema", {"type": "object"})
    listed = {"name": name, "inputSchema": schema}
    definition = Definition("files", Kind.TOOL, name, listed, "ab", OperationClass.READ)
    client = changes.pop("client", {"name": "inspector", "version": "1"})
    level = changes.pop("log_level", None)
    series = Series(None, VERSIONS[era], {}, client, level, "files__x", plain=changes.pop("plain", True))
    call = tool_call("files__x", arguments, era, id=7, client=client, log_level=level, series=series)
    call = msgspec.structs.replace(call, **changes)
    return Permit(call, ALICE, Target("files", Kind.TOOL, name, OperationClass.READ, definition), "id", ())


def plainly_framed(talk: HttpConversation, permit: Permit, number: bytes) -> bytes | None:
    frame, spelled = talk.frame_for(permit), permit.call.spelled
    return None if frame is None or spelled is None else frame.fill(number, spelled.compact)


def the_long_way(talk: HttpConversation, permit: Permit, number: int) -> bytes:
    params = outgoing(permit, talk.era, VERSIONS[talk.era], number)
    head = talk._post_head()
    if talk.era is Era.MODERN:
        listed = permit.target.definition.listed if permit.target.definition else {}
        fields = headers.upstream_headers(
            talk.era, VERSIONS[talk.era], "tools/call", params, input_schema=listed["inputSchema"]
        )
        head += b"".join(b"%b: %b\r\n" % field for field in fields)
    return framed(head, jsonrpc.encode_request(number, "tools/call", params))


@pytest.mark.spec("DW-146")
@pytest.mark.parametrize("era", list(Era))
@given(TEXT, st.integers(1, 10**12), ARGUMENTS, TEXT, st.none() | st.just("warning"))
def test_is_what_the_long_way_makes(  # noqa: PLR0917
    era: Era, name: str, number: int, arguments: dict[str, Any], client: str, level: str | None
) -> None:
    async def compare() -> None:
        talk = conversation_of(era)
        permit = permit_of(era, arguments, name, client={"name": client}, log_level=level)
        for _ in range(2):  # made, and remembered
            found = plainly_framed(talk, permit, b"%d" % number)
            assert found == the_long_way(talk, permit, number)

    asyncio.run(compare())


@pytest.mark.spec("DW-146")
@pytest.mark.asyncio
@pytest.mark.parametrize("era", list(Era))
async def test_nothing_of_one_call_stays_for_another(era: Era) -> None:
    talk = conversation_of(era)
    permits = [
        permit_of(era, {"path": "/a"}),
        permit_of(era, {"path": "/b"}),
        permit_of(era, {"path": "/a"}, "write"),
        permit_of(era, {"path": "/a"}, client={"name": "other"}),
        permit_of(era, {"path": "/a"}, log_level="debug"),
    ]
    for number, permit in enumerate(permits * 2):
        assert plainly_framed(talk, permit, b"%d" % number) == the_long_way(talk, permit, number)


@pytest.mark.asyncio
async def test_a_rotated_credential_is_used_at_once() -> None:
    auth = Auth()
    talk, permit = conversation_of(Era.LEGACY, auth), permit_of(Era.LEGACY, {})
    assert b"Bearer one" in (plainly_framed(talk, permit, b"1") or b"")
    auth.fields = [(b"authorization", b"Bearer two")]
    request = plainly_framed(talk, permit, b"2") or b""
    assert b"Bearer two" in request
    assert b"Bearer one" not in request


@pytest.mark.asyncio
@pytest.mark.parametrize("era", list(Era))
@pytest.mark.parametrize(
    "changes",
    [
        {"spelled": None},
        {"series": None},
        {"plain": False},
    ],
    ids=str,
)
async def test_what_is_not_plain_goes_the_long_way(era: Era, changes: dict[str, Any]) -> None:
    talk = conversation_of(era)
    assert plainly_framed(talk, permit_of(era, {"path": "/a"}, **changes), b"1") is None


@pytest.mark.spec("DW-110")
@pytest.mark.asyncio
async def test_arguments_that_stand_in_fields_too_go_the_long_way_to_a_modern_server() -> None:
    schema = {"properties": {"path": {"type": "string", "x-mcp-header": "Path"}}}
    for era, plain in ((Era.MODERN, False), (Era.LEGACY, True)):
        talk, permit = conversation_of(era), permit_of(era, {"path": "/a"}, schema=schema)
        for _ in range(2):
            assert (plainly_framed(talk, permit, b"1") is not None) is plain
