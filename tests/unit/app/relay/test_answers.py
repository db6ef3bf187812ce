"""Bodies and events cut into messages."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.app.relay.answers import describe, split
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.wire.errors import WireError
from tests.unit.app.relay.fakes import notification, result


def test_one_message_is_itself_byte_for_byte() -> None:
    raw = b' {"jsonrpc":"2.0", "id":1,\n"result":{ "a" : 1.0 }} '
    [(message, found)] = split(raw)

    assert found is raw
    assert type(message).__name__ == "UpstreamResult"


@given(st.lists(st.integers() | st.text(max_size=5), max_size=5))
def test_an_array_is_cut_into_its_messages(ids: list[int | str]) -> None:
    parts = [*(result(one, value=[{}]) for one in ids), json.dumps(notification("x")).encode()]

    assert [raw for _, raw in split(b"[" + b", ".join(parts) + b"]")] == parts


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"[", b"[1]", b"{}", b"[[]]", b'["\xff"]', b'{"jsonrpc":"2.0","id":1,"result":1}'],
)
def test_everything_else_is_an_error(data: bytes) -> None:
    with pytest.raises(WireError):
        split(data)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for candidate in (data, b"[" + data + b"]"):
        try:
            found = split(candidate)
        except WireError:
            continue
        assert all(raw for _, raw in found)


def test_a_failure_names_the_gateway() -> None:
    failure = UpstreamError(Reason.UPSTREAM_UNREACHABLE, "h:1", "server h:1 cannot be reached: no route")

    assert describe(failure) == "the gateway at h:1 cannot be reached: no route"


def test_no_nesting_is_too_deep_to_be_an_error() -> None:
    with pytest.raises(WireError):
        split(b"[" * 200_000)
