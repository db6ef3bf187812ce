"""What looks like a batch, and what is taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.backends.memory.sessions import MemorySessions
from doorward.model.call import Credential, Inbound
from doorward.model.principal import Principal
from doorward.pipeline import batch
from doorward.wire import versions
from tests.playbook.house import BOT, OTHER


@pytest.mark.spec("DW-390")
@pytest.mark.parametrize("body", [b"[", b" [", b"\r\n\t [{}]"])
def test_an_array_looks_like_one(body: bytes) -> None:
    assert batch.looks_like_batch(body)


@pytest.mark.spec("DW-390")
@pytest.mark.parametrize("body", [b"", b"{", b'"[', b" {[", b"\x0b["])
def test_anything_else_does_not(body: bytes) -> None:
    assert not batch.looks_like_batch(body)


def split(
    body: bytes,
    *,
    version: str = versions.BATCH_VERSION,
    asks: Principal = BOT,
    header: bool = True,
) -> list[bytes]:
    sessions = MemorySessions()
    session = sessions.open(BOT, "bank", version, {}, {})
    headers = {b"mcp-session-id": session.id.encode()} if header else {}
    credential = Credential("bot", "192.0.2.1", local=False, proxied=False)
    inbound = Inbound("http", "bank", credential, headers, body, None)
    return [part.body for part in batch.split(inbound, asks, sessions)]


@pytest.mark.spec("DW-390")
def test_each_item_is_a_message_of_its_own_byte_for_byte() -> None:
    assert split(b'[ {"id" : 1} , {"id":2,"id":3} ]') == [b'{"id" : 1}', b'{"id":2,"id":3}']


@pytest.mark.spec("DW-394")
@pytest.mark.parametrize("body", [b"[]", b"[1", b"[1,]", b"\xff", b"[" + b"1," * 64 + b"1]"])
def test_what_is_no_array_of_1_to_64_items_is_left_to_the_parser(body: bytes) -> None:
    assert split(body) == []


@pytest.mark.spec("DW-390")
def test_the_largest_batch() -> None:
    assert len(split(b"[" + b"1," * 63 + b"1]")) == 64


@pytest.mark.spec("DW-393")
def test_who_may_not_send_one() -> None:
    assert split(b"[1]", asks=OTHER) == []
    assert split(b"[1]", header=False) == []
    assert split(b"[1]", version="2025-11-25") == []


@pytest.mark.spec("DW-394")
@given(st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    assert all(part in body for part in split(b"[" + body))


@pytest.mark.spec("DW-395")
def test_a_handshake_is_no_part_of_a_batch() -> None:
    assert split(b'[{"method":"ping"},{"method":"initialize"}]') == []
    assert split(b'[{"method":"initi\\u0061lize"}]') == []
    assert split(b'[{"method":"ping","params":{"method":"initialize"}}]') != []
