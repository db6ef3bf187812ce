"""Names become addresses off the loop, and are remembered for a while."""

import asyncio
import socket
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.upstream import names
from doorward.upstream.names import Endpoint, Names, in_order

V4, V6 = socket.AF_INET, socket.AF_INET6


def row(family: int, address: str) -> Any:
    rest = (0, 0) if family == V6 else ()
    return (family, socket.SOCK_STREAM, 6, "", (address, 80, *rest))


class Lookup:
    """A resolver that answers what it is told to, in whatever thread it is asked."""

    def __init__(self, *rows: Any) -> None:
        self.rows = list(rows)
        self.error: Exception | None = None
        self.threads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, host: str, port: int, **_: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        assert self.gate.wait(5)
        if self.error is not None:
            raise self.error
        return self.rows


@pytest.mark.asyncio
async def test_a_name_is_asked_for_once_within_its_time() -> None:
    lookup = Lookup(row(V4, "192.0.2.1"))
    found = Names(ttl_s=60, lookup=lookup)
    for _ in range(3):
        assert await found.resolve("a.test", 80) == (Endpoint(V4, ("192.0.2.1", 80)),)
    assert lookup.threads == ["doorward-dns"]


@pytest.mark.asyncio
async def test_a_name_is_asked_for_again_after_its_time() -> None:
    lookup = Lookup(row(V4, "192.0.2.1"))
    found = Names(ttl_s=0.02, lookup=lookup)
    await found.resolve("a.test", 80)
    lookup.rows = [row(V4, "192.0.2.2")]
    await asyncio.sleep(0.03)
    assert (await found.resolve("a.test", 80))[0].address == ("192.0.2.2", 80)


@pytest.mark.asyncio
async def test_no_time_to_live_asks_each_time() -> None:
    lookup = Lookup(row(V4, "192.0.2.1"))
    found = Names(ttl_s=0.0, lookup=lookup)
    for _ in range(3):
        await found.resolve("a.test", 80)
    assert len(lookup.threads) == 3


@pytest.mark.asyncio
async def test_who_asks_together_shares_one_lookup_and_giving_up_stops_it_for_nobody() -> None:
    lookup = Lookup(row(V4, "192.0.2.1"))
    lookup.gate.clear()
    found = Names(lookup=lookup)
    asking = [asyncio.create_task(found.resolve("a.test", 80)) for _ in range(3)]
    await asyncio.sleep(0.01)
    asking[0].cancel()
    await asyncio.sleep(0.01)
    lookup.gate.set()
    assert (await asking[1])[0] == (await asking[2])[0] == Endpoint(V4, ("192.0.2.1", 80))
    assert asking[0].cancelled()
    assert len(lookup.threads) == 1


@pytest.mark.asyncio
async def test_the_loop_goes_on_while_a_resolver_hangs() -> None:
    lookup = Lookup(row(V4, "192.0.2.1"))
    lookup.gate.clear()
    asking = asyncio.create_task(Names(lookup=lookup).resolve("a.test", 80))
    turns = 0
    for _ in range(20):
        await asyncio.sleep(0.001)
        turns += 1
    assert not asking.done()
    assert turns == 20
    lookup.gate.set()
    await asking


@pytest.mark.asyncio
async def test_a_failure_is_remembered_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "FAILURE_TTL_S", 0.5)
    lookup = Lookup(row(V4, "192.0.2.1"))
    lookup.error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    found = Names(ttl_s=60, lookup=lookup)
    raised = []
    for _ in range(3):
        with pytest.raises(socket.gaierror, match="not known") as caught:
            await found.resolve("a.test", 80)
        raised.append(caught.value)
    assert len(lookup.threads) == 1
    assert len({id(error) for error in raised}) == 3
    lookup.error = None
    await asyncio.sleep(0.55)
    assert await found.resolve("a.test", 80)


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [[], [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/x")]])
async def test_a_name_without_an_address_is_an_error(answer: list[Any]) -> None:
    with pytest.raises(socket.gaierror, match="no address"):
        await Names(lookup=Lookup(*answer)).resolve("a.test", 80)


@pytest.mark.asyncio
async def test_what_cannot_be_a_name_is_an_error() -> None:
    lookup = Lookup()
    lookup.error = UnicodeError("label empty or too long")
    with pytest.raises(socket.gaierror, match="cannot be a host name"):
        await Names(lookup=lookup).resolve("a..test", 80)


@pytest.mark.asyncio
async def test_an_address_needs_no_lookup() -> None:
    lookup = Lookup()
    found = Names(lookup=lookup)
    assert await found.resolve("127.0.0.1", 1) == (Endpoint(V4, ("127.0.0.1", 1)),)
    assert await found.resolve("::1", 1) == (Endpoint(V6, ("::1", 1, 0, 0)),)
    assert lookup.threads == []


def test_an_answer_for_a_closed_loop_is_nobody_s() -> None:
    async def make() -> Names:
        return Names(lookup=Lookup(row(V4, "192.0.2.1")))

    asyncio.run(make())._look_up(("a.test", 80))


def test_families_take_turns_and_the_preferred_one_begins() -> None:
    found = [row(V6, "2001:db8::1"), row(V6, "2001:db8::2"), row(V4, "192.0.2.1"), row(V4, "192.0.2.1")]
    as_system = [one.address[0] for one in in_order(found, "system")]
    assert as_system == ["2001:db8::1", "192.0.2.1", "2001:db8::2"]
    assert [one.address[0] for one in in_order(found, "ipv6")] == as_system
    assert [one.address[0] for one in in_order(found, "ipv4")] == ["192.0.2.1", "2001:db8::1", "2001:db8::2"]
    assert [one.address[0] for one in in_order(found[:1], "ipv4")] == ["2001:db8::1"]


@given(
    st.lists(st.tuples(st.sampled_from([V4, V6]), st.integers(1, 9)), min_size=1),
    st.sampled_from(["system", "ipv4", "ipv6"]),
)
def test_no_address_is_lost_and_none_comes_twice(picked: list[tuple[int, int]], prefer: Any) -> None:
    rows = [row(f, f"192.0.2.{n}" if f == V4 else f"2001:db8::{n}") for f, n in picked]
    ordered = in_order(rows, prefer)
    assert len(ordered) == len(set(ordered)) == len(set(picked))
    assert {one.address for one in ordered} == {one[4] for one in rows}
