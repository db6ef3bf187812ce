import asyncio
import ssl
from pathlib import Path

import pytest

from doorward.edge.handshakes import TlsRefusal
from tests.unit.edge.wires import Server, Wire, client_context, server_terms

pytestmark = pytest.mark.asyncio
RECORD = 16384


async def established(tmp_path: Path, **limits: float) -> tuple[Server, Wire]:
    server = Server(server_terms(tmp_path), **limits)
    wire = server.accept().hello()
    await wire.shake()
    assert wire.inner.told == ["made"]
    return server, wire


async def test_bytes_go_both_ways(tmp_path: Path) -> None:
    server, wire = await established(tmp_path)
    await wire.say(b"ping")
    assert wire.inner.received == b"ping"
    wire.inner.transport.write(b"pong")
    assert wire.hear() == b"pong"
    assert b"ping" not in wire.raw.out
    assert len(server.face.handshakes) == 0
    assert server.refused == {}


@pytest.mark.parametrize("size", [1, RECORD - 1, RECORD, RECORD + 1, 1_000_000])
async def test_sizes_around_a_record(tmp_path: Path, size: int) -> None:
    _, wire = await established(tmp_path)
    data = bytes(range(256)) * (size // 256 + 1)
    await wire.say(data[:size])
    assert wire.inner.received == data[:size]
    wire.inner.transport.write(data[:size])
    assert wire.hear() == data[:size]
    assert max(map(len, wire.raw.writes)) < RECORD + 1024


async def test_records_in_one_segment_are_one_piece(tmp_path: Path) -> None:
    _, wire = await established(tmp_path)
    wire.server.data_received(b"".join(wire.ciphertext(b"%d" % n) for n in range(10)))
    assert wire.inner.received == b"0123456789"
    assert wire.inner.pieces == 1


async def test_a_record_in_many_segments_is_one_piece(tmp_path: Path) -> None:
    _, wire = await established(tmp_path)
    for byte in wire.ciphertext(b"a" * 100):
        wire.server.data_received(bytes([byte]))
    assert wire.inner.received == b"a" * 100
    assert wire.inner.pieces == 1


async def test_a_handshake_in_single_bytes(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path))
    wire = server.accept().hello()
    with pytest.raises(ssl.SSLWantReadError):
        wire.client.do_handshake()
    for byte in wire._outgoing.read():
        wire.server.data_received(bytes([byte]))
    await wire.shake()
    assert wire.inner.told == ["made"]


@pytest.mark.parametrize("first", [b"\0", b"\x15\x03\x01", b"\r\n\r\n\0\r\nQUIT\n", b"\xc7"])
async def test_what_is_no_tls_ends_cleanly_and_is_counted(tmp_path: Path, first: bytes) -> None:
    server = Server(server_terms(tmp_path))
    wire = server.accept()
    wire.server.data_received(first)
    wire.server.data_received(b"more of it")
    assert wire.raw.did == ["eof"]
    assert wire.raw.out == b""
    assert wire.inner.told == []
    assert server.refused == {TlsRefusal.HANDSHAKE_FAILED.value: 1}
    wire.server.connection_lost(None)
    assert len(server.face.handshakes) == 0
    assert server.refused == {TlsRefusal.HANDSHAKE_FAILED.value: 1}


@pytest.mark.parametrize("first", [b"G", b"POST /mcp HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_plain_http_is_told_once_what_is_spoken_here(tmp_path: Path, first: bytes) -> None:
    server = Server(server_terms(tmp_path))
    wire = server.accept()
    for data in (first, b"more of it"):
        wire.server.data_received(data)
    head, _, body = wire.raw.out.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-length: %d\r\n" % len(body) in head
    assert body == b"this port speaks TLS: use an https URL\n"
    assert wire.raw.did == ["eof"]
    assert wire.inner.told == []
    assert server.refused == {TlsRefusal.PLAIN_HTTP.value: 1}


async def test_garbage_in_a_handshake_gets_an_alert(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path))
    wire = server.accept()
    wire.server.data_received(b"\x16\x03\x01\x00\x05hello")
    await asyncio.sleep(0)
    assert wire.raw.out[:1] == b"\x15"
    assert wire.raw.did == ["eof"]
    assert server.refused == {TlsRefusal.HANDSHAKE_FAILED.value: 1}


async def test_old_versions_are_told_so(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path))
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    wire = server.accept().hello(context=context)
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        await wire.shake()
    assert server.refused == {TlsRefusal.HANDSHAKE_FAILED.value: 1}


async def test_who_connects_and_says_nothing_costs_no_ssl_object_and_is_given_up(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path), handshake_timeout=10)
    wire = server.accept()
    assert wire.server._tls is None
    server.clock.now += 10.1
    server.face.sweep()
    assert wire.raw.did == ["abort"]
    assert server.refused == {TlsRefusal.HANDSHAKE_TIMEOUT.value: 1}


async def test_who_leaves_before_a_byte_is_not_counted_and_who_leaves_in_the_middle_is(
    tmp_path: Path,
) -> None:
    server = Server(server_terms(tmp_path))
    silent, begun = server.accept(), server.accept().hello()
    silent.server.connection_lost(None)
    assert server.refused == {}
    with pytest.raises(ssl.SSLWantReadError):
        begun.client.do_handshake()
    await begun.exchange()
    assert begun.server.eof_received() is False
    begun.server.connection_lost(None)
    assert server.refused == {TlsRefusal.HANDSHAKE_FAILED.value: 1}
    assert len(server.face.handshakes) == 0


async def test_one_handshake_too_many_is_cut(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path), handshakes_per_ip=1)
    first, second = server.accept(), server.accept()
    assert (first.raw.did, second.raw.did) == ([], ["abort"])
    second.server.connection_lost(None)
    assert server.refused == {TlsRefusal.HANDSHAKES_PER_IP.value: 1}
    assert len(server.face.handshakes) == 1


async def test_a_damaged_record_ends_the_connection(tmp_path: Path) -> None:
    server, wire = await established(tmp_path)
    record = bytearray(wire.ciphertext(b"ping"))
    record[-1] ^= 1
    wire.server.data_received(bytes(record))
    assert wire.inner.received == b""
    assert wire.raw.did == ["abort"]
    assert server.refused == {TlsRefusal.RECORD_REFUSED.value: 1}


async def test_close_says_goodbye(tmp_path: Path) -> None:
    _, wire = await established(tmp_path)
    wire.inner.transport.write(b"last words")
    wire.inner.transport.close()
    wire.inner.transport.write(b"too late")
    assert wire.raw.did == ["close"]
    assert wire.hear() == b"last words"
    assert wire.client.read(1) == b""


async def test_a_refusal_lingers_with_a_goodbye_and_hears_nothing_more(tmp_path: Path) -> None:
    _, wire = await established(tmp_path)
    wire.inner.transport.write_eof()
    assert wire.raw.did == ["eof"]
    await wire.say(b"more")
    assert wire.inner.received == b""
    wire.inner.transport.close()
    assert wire.raw.did == ["eof", "close"]


async def test_a_goodbye_to_a_peer_that_has_gone_is_no_error(tmp_path: Path) -> None:
    _, wire = await established(tmp_path)
    wire.raw.gone = True
    wire.inner.transport.write_eof()
    wire.inner.transport.close()
    assert wire.raw.did == ["close"]


@pytest.mark.parametrize("keeps_open", [False, True])
async def test_the_end_of_the_peer_reaches_the_connection_and_ends_it(
    tmp_path: Path, keeps_open: bool
) -> None:
    _, wire = await established(tmp_path)
    wire.inner.keeps_open = keeps_open
    with pytest.raises(ssl.SSLWantReadError):
        wire.client.unwrap()
    await wire.exchange()
    assert wire.inner.told == ["made", "eof"]
    assert wire.raw.did == ["close"]
    wire.client.unwrap()  # our goodbye is there: it does not ask to wait for more


async def test_an_end_without_goodbye_is_the_same(tmp_path: Path) -> None:
    _, wire = await established(tmp_path)
    assert wire.server.eof_received() is False
    assert wire.inner.told == ["made", "eof"]
    wire.server.connection_lost(None)
    assert wire.inner.told == ["made", "eof", "lost"]


async def test_paused_reading_keeps_what_came_for_later(tmp_path: Path) -> None:
    _, wire = await established(tmp_path)
    wire.inner.transport.pause_reading()
    await wire.say(b"early")
    assert wire.inner.received == b""
    wire.inner.transport.resume_reading()
    assert wire.inner.received == b""
    await asyncio.sleep(0)
    assert wire.inner.received == b"early"
    assert wire.raw.did == ["pause", "resume"]


async def test_slow_readers_are_told_of(tmp_path: Path) -> None:
    _, wire = await established(tmp_path)
    wire.raw.stuck = 77
    wire.server.pause_writing()
    assert wire.inner.transport.get_write_buffer_size() == 77
    wire.server.resume_writing()
    assert wire.inner.told == ["made", "pause", "resume"]


async def test_records_without_content_are_bounded(tmp_path: Path) -> None:
    """Whoever sends a record in ever so small parts may; whoever sends none that says anything may not."""
    server, wire = await established(tmp_path)
    change = b"\x14\x03\x03\x00\x01\x01"  # a change_cipher_spec of the middlebox mode: dropped, RFC 8446 D.4
    for _ in range(40_000):
        wire.server.data_received(change)
        if wire.raw.did:
            break
    assert wire.raw.did == ["abort"]
    assert set(server.refused) <= {TlsRefusal.OVERHEAD.value, TlsRefusal.RECORD_REFUSED.value}


async def test_a_peer_that_takes_nothing_is_not_read_while_it_sends_nothing(tmp_path: Path) -> None:
    server, wire = await established(tmp_path)
    wire.server.pause_writing()
    wire.server._weigh(1, 0)  # as after a key update, which Python's ssl cannot send (the attack test can)
    assert wire.raw.did == ["pause"]
    wire.server.pause_reading()
    wire.server.resume_writing()
    assert wire.raw.did == ["pause"]
    wire.server.resume_reading()
    assert wire.raw.did == ["pause", "resume"]
    await wire.say(b"content")
    assert wire.inner.received == b"content"
    assert server.refused == {}


async def test_many_records_are_fed_in_turns_and_reading_waits_for_them(tmp_path: Path) -> None:
    _, wire = await established(tmp_path)
    wire.server.data_received(b"".join(wire.ciphertext(b"%03d" % n) for n in range(200)))
    assert len(wire.inner.received) == 64 * 3
    assert wire.raw.did == ["pause"]
    wire.server.data_received(wire.ciphertext(b"end"))  # what the socket had in hand
    for _ in range(10):
        await asyncio.sleep(0)
    assert wire.inner.received == b"".join(b"%03d" % n for n in range(200)) + b"end"
    assert wire.raw.did == ["pause", "resume"]


async def test_what_comes_with_the_last_message_of_the_handshake_is_not_lost(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path))
    wire = server.accept().hello()
    for _ in range(2):
        try:
            wire.client.do_handshake()
        except ssl.SSLWantReadError:
            await wire.exchange()
    early = wire._outgoing.read() + b"".join(wire.ciphertext(b"%03d" % n) for n in range(100))
    wire.server.data_received(early[:-5])
    for _ in range(10):
        await asyncio.sleep(0)
    assert wire.inner.received == b"".join(b"%03d" % n for n in range(99))
    wire.server.data_received(early[-5:])
    assert wire.inner.received.endswith(b"099")


async def test_empty_records_cost_and_full_ones_make_good(tmp_path: Path) -> None:
    server, wire = await established(tmp_path)
    for _ in range(1000):
        wire.server._weigh(1, 16)
    wire.server._weigh(64, 0)
    assert wire.raw.did == []
    wire.server._weigh(1, 0)
    assert wire.raw.did == ["abort"]
    assert server.refused == {TlsRefusal.OVERHEAD.value: 1}


async def test_what_the_transport_knows(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path))
    wire = server.accept("2001:db8::7")
    wire.server.proxied_for = "198.51.100.9"
    assert wire.server.peer == "2001:db8::7"
    assert wire.server.get_extra_info("peername") == ("2001:db8::7", 5000)
    assert wire.server.get_extra_info("client_certificate") is None
    assert wire.server.get_extra_info("proxied_for") == "198.51.100.9"
    assert wire.server.can_write_eof()
    assert not wire.server.is_closing()


async def test_tls_1_2_cannot_be_renegotiated(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path, minimum_version=ssl.TLSVersion.TLSv1_2))
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    wire = server.accept().hello(context=context)
    await wire.shake()
    assert wire.client.version() == "TLSv1.2"
    await wire.say(b"ping")
    assert wire.inner.received == b"ping"
    # Python cannot ask for it (the attack test does, with openssl s_client): a forged record instead.
    wire.server.data_received(b"\x16" + wire.ciphertext(b"x" * 40)[1:])
    assert wire.raw.did == ["abort"]
