"""Who gets an answer, exactly once."""

import json

from hypothesis import given
from hypothesis import strategies as st

from doorward.app.relay.flight import Flight, Flights
from doorward.model.call import Era
from doorward.model.reasons import Reason
from doorward.wire import jsonrpc
from tests.unit.app.relay.fakes import request

ids = st.lists(
    st.integers(-3, 3) | st.sampled_from(["-1", "0", "1"]),
    min_size=1,
    max_size=6,
    unique_by=lambda x: (type(x), x),
)


def batch(request_ids: list[int | str]) -> Flight:
    line = json.dumps([request(one, "ping") for one in request_ids]).encode()
    return Flight(line, jsonrpc.parse(line), Era.LEGACY)


def single(request_id: int | str, method: str = "ping") -> Flight:
    line = json.dumps(request(request_id, method)).encode()
    return Flight(line, jsonrpc.parse(line), Era.LEGACY)


@given(ids, st.lists(st.integers(-3, 3) | st.sampled_from(["-1", "0", "1"]), max_size=12))
def test_each_request_is_answered_exactly_once(asked: list[int | str], answered: list[int | str]) -> None:
    flight = batch(asked)
    told = [(type(one), one) for one in answered if flight.take(jsonrpc.UpstreamResult(one, b"{}"), b"raw")]
    rest = [json.loads(line)["id"] for line in flight.fail(Reason.UPSTREAM_CONNECTION_LOST, "lost")]

    assert sorted([*told, *((type(one), one) for one in rest)], key=repr) == sorted(
        ((type(one), one) for one in asked), key=repr
    )
    assert flight.fail(Reason.UPSTREAM_CONNECTION_LOST, "lost") == []


def test_what_nobody_could_read_gets_one_error_without_an_id() -> None:
    [line] = Flight(b"{", None, Era.LEGACY).fail(Reason.UPSTREAM_UNREACHABLE, "down")

    assert "id" not in json.loads(line)


def test_an_id_in_use_belongs_to_its_first_request() -> None:
    flights = Flights()
    first, second = single(1), single(1)
    flights.enter(first)
    flights.enter(second)
    assert flights.find(1) is first
    assert flights.find("1") is None
    assert flights.find(True) is None
    assert flights.find(None) is None
    flights.leave(second)
    assert flights.find(1) is first
    flights.leave(first)
    assert flights.find(1) is None


def test_flights_are_found_by_method() -> None:
    flights = Flights()
    listening = single(1, "subscriptions/listen")
    for flight in (listening, single(2)):
        flights.enter(flight)

    assert flights.calling("subscriptions/listen") == [listening]
