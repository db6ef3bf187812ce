"""The targets of the fast ways can fail: they do recognise something, and a recogniser that lies is found."""

import pytest

from doorward.model.call import Spelled
from doorward.wire import jsonrpc, replies, slices
from doorward.wire.shapes import Shape, Shapes
from tests.fuzz import fuzz_recognisers


@pytest.mark.parametrize("stream", fuzz_recognisers.AGAIN[:3])
def test_the_seeds_hold_calls_that_come_again(stream: bytes) -> None:
    known = Shapes()
    first, *others = stream.split(fuzz_recognisers.APART)
    message = jsonrpc.parse(first)
    assert isinstance(message, jsonrpc.Request)
    known.learn(first, message, "alice")
    assert any(known.find(body) is not None for body in others)
    fuzz_recognisers.fuzz_shapes(stream)


def test_a_shape_with_another_id_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Shapes.find

    def lie(self: Shapes, body: bytes) -> tuple[Shape, int, Spelled] | None:
        found = honest(self, body)
        return None if found is None else (found[0], found[1] + 1, found[2])

    monkeypatch.setattr(Shapes, "find", lie)
    with pytest.raises(AssertionError):
        fuzz_recognisers.fuzz_shapes(fuzz_recognisers.AGAIN[0])


def test_pieces_that_judge_more_kindly_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "check", lambda _text, _piece: iter(()))
    with pytest.raises(AssertionError):
        fuzz_recognisers.fuzz_slices(b'\5{"a":1,"a":2}')


def test_a_reply_at_sight_that_is_another_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = replies.parse_upstream

    def lie(data: bytes) -> replies.UpstreamMessage:
        return replies.UpstreamResult(7, b"{}") if data.startswith(b"{") else honest(data)

    monkeypatch.setattr(replies, "parse_upstream", lie)
    with pytest.raises(AssertionError):
        fuzz_recognisers.fuzz_answer_at_sight(fuzz_recognisers.SIGHTS[0])


def test_a_client_that_names_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_recognisers, "_client", lambda _fields: "198.51.100.7")
    with pytest.raises(AssertionError):
        fuzz_recognisers.fuzz_forwarded(b"198.51.100.7")
