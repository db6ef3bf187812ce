"""The GET streams of legacy sessions: one per session, never a burden."""

import asyncio

import pytest

from doorward.edge.streams import FAREWELL, MOST_WAITING, SessionStreams
from doorward.model.call import Session
from doorward.model.principal import Principal
from tests.unit.edge.exchanges import Channel, exchange

pytestmark = pytest.mark.asyncio
ME = Principal("default", "me", "agent", "key", "k1")


def opened(streams: SessionStreams, session_id: str, principal: Principal = ME) -> Channel:
    one, channel = exchange(b"GET")
    one.start(200)
    streams.open(Session(session_id, principal.owner, None, "2025-11-25", {}, {}), principal, one)
    channel.exchange = one
    return channel


@pytest.mark.spec("DW-225")
async def test_a_message_goes_to_the_newest_stream_of_its_session_only() -> None:
    streams = SessionStreams()
    old, other = opened(streams, "s"), opened(streams, "t")
    new = opened(streams, "s")

    assert streams.push("s", b'{"n":1}')

    assert old.ended.is_set()
    assert (old.events, new.events, other.events) == ([], [{"n": 1}], [])
    assert not streams.push("nobody", b"{}")
    streams.close_all()
    assert new.ended.is_set()
    assert list(streams.listening()) == []


@pytest.mark.spec("DW-231")
async def test_for_a_reader_that_is_too_slow_each_message_waits_once_and_few_do() -> None:
    streams = SessionStreams()
    channel = opened(streams, "s")
    sent = len(channel.out)
    room = asyncio.get_running_loop().create_future()
    channel.writable = lambda: room  # type: ignore[method-assign]

    channel.write_paused = True
    for number in [*range(MOST_WAITING), *range(MOST_WAITING)]:
        streams.push("s", b'{"n":%d}' % number)
    assert not streams.push("s", b'{"n":"too many"}')
    await asyncio.sleep(0)
    assert len(channel.out) == sent
    channel.write_paused = False
    room.set_result(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert streams.push("s", b"{}")
    assert channel.events == [*({"n": number} for number in range(MOST_WAITING)), {}]
    streams.close_all()


@pytest.mark.spec("DW-225")
async def test_a_peer_that_is_gone_is_forgotten_and_does_not_take_its_successor_along() -> None:
    streams = SessionStreams()
    first = opened(streams, "s")
    first.exchange.lose()
    assert list(streams.listening()) == []
    assert not streams.push("s", b"{}")

    second = opened(streams, "s")
    first.exchange.lose()

    assert streams.push("s", b"{}")
    assert second.events == [{}]
    streams.close_all()


@pytest.mark.spec("DW-225")
async def test_a_peer_that_left_before_its_stream_was_opened_is_not_kept() -> None:
    streams = SessionStreams()
    one, _ = exchange(b"GET")
    one.lose()
    one.start(200)

    streams.open(Session("s", ME.owner, None, "2025-11-25", {}, {}), ME, one)

    assert list(streams.listening()) == []


@pytest.mark.spec("DW-232")
async def test_streams_of_a_revoked_key_end() -> None:
    streams = SessionStreams()
    revoked, other = opened(streams, "s"), opened(streams, "t", Principal("default", "x", "a", "key", "k2"))

    streams.close_where(lambda principal: principal.key_id == "k1")

    assert revoked.ended.is_set()
    assert not other.ended.is_set()
    streams.close_all()


@pytest.mark.spec("DW-233")
async def test_a_stopping_gateway_says_when_to_come_back_and_opens_no_other_stream() -> None:
    streams = SessionStreams()
    ended, stopped = opened(streams, "s"), opened(streams, "t")

    streams.close("s")
    streams.close_all()

    assert b"retry" not in ended.out
    assert FAREWELL in stopped.out
    assert stopped.out.endswith(b"\r\n0\r\n\r\n")
    late = opened(streams, "u")
    assert late.ended.is_set()
    assert FAREWELL in late.out
    assert list(streams.listening()) == []


@pytest.mark.spec("DW-233")
async def test_a_peer_that_ends_its_side_ends_its_stream() -> None:
    streams = SessionStreams()
    channel = opened(streams, "s")

    channel.exchange.half_closed(more=False)

    assert channel.ended.is_set()
    assert list(streams.listening()) == []


@pytest.mark.spec("DW-232")
async def test_those_of_a_session_or_of_an_owner() -> None:
    streams = SessionStreams()
    other = Principal("default", "other", "agent", "key", "k2")
    for session_id, principal in (("s", ME), ("t", ME), ("u", other)):
        opened(streams, session_id, principal)

    def of(key: str) -> list[str]:
        return [session.id for session, _ in streams.of(key)]

    assert of("s") == ["s"]
    assert of(ME.owner) == ["s", "t"]
    assert of("nobody") == []
    assert streams.sessions == {"s", "t", "u"}
    streams.close_all()
