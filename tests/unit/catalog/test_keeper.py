"""Listings are kept recent without one slow server holding up the rest."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from doorward.catalog import keeper as module
from doorward.catalog import pauses
from doorward.catalog.keeper import Keeper
from doorward.catalog.snapshot import Listing
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.model.target import Kind
from doorward.pipeline.shares import Shares
from tests.unit.catalog.build import listing, tool

pytestmark = pytest.mark.asyncio
GONE = UpstreamError(Reason.UPSTREAM_CONNECTION_LOST, "a", "is gone")


class Lister:
    """Offers `tools`; waits for `gate` when it has one, and fails with `error` when it has that."""

    instructions = None
    up = True
    starting = False

    def __init__(self, *tools: str) -> None:
        self.capabilities: dict[str, Any] = {"tools": {}}
        self.server_info: dict[str, Any] = {"name": "s"}
        self.tools = tools
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    async def list(self, method: str) -> list[dict[str, Any]]:
        self.asked.append(method)
        offered = [tool(name) for name in self.tools]
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return offered if method == "tools/list" else []


class Bench:
    def __init__(self, *, known: dict[str, Listing] | None = None, **listers: Lister) -> None:
        self.news: list[tuple[Listing, Kind]] = []
        self.keeper = Keeper(listers, {}, self._changed, known or {}, Shares())

    async def _changed(self, new: Listing, kind: Kind) -> None:
        self.news.append((new, kind))

    async def recent(self, *servers: str, max_age: float = 5.0) -> None:
        await self.keeper.recent(servers, [Kind.TOOL], max_age=max_age)

    @property
    def names(self) -> list[list[str]]:
        return [[one.name for one in new.definitions[Kind.TOOL]] for new, _ in self.news]


async def test_what_is_new_is_handed_on_once() -> None:
    bench = Bench(a=(lister := Lister("x")))

    await bench.recent("a")
    await bench.recent("a")
    await bench.recent("a", max_age=-1.0)

    assert bench.names == [["x"]]
    assert bench.news[0][0].known
    assert lister.asked == ["tools/list"] * 2


async def test_what_a_previous_world_knew_is_no_news() -> None:
    known = listing("a", tools=("x",), capabilities={"tools": {}})
    known = Listing("a", known.definitions, {"tools": {}}, {"name": "s"}, None)
    bench = Bench(a=Lister("x"), known={"a": known})

    await bench.recent("a")

    assert bench.news == []


async def test_askers_share_a_question() -> None:
    bench = Bench(a=(lister := Lister("x")))
    lister.gate = asyncio.Event()

    askers = [asyncio.create_task(bench.recent("a")) for _ in range(3)]
    await asyncio.sleep(0)
    lister.gate.set()
    await asyncio.gather(*askers)

    assert lister.asked == ["tools/list"]


async def test_a_server_that_cannot_answer_keeps_its_listing_and_is_asked_again() -> None:
    bench = Bench(a=(lister := Lister("x")))
    await bench.recent("a")
    lister.error = UpstreamError(Reason.UPSTREAM_UNREACHABLE, "a", "gone")

    await bench.recent("a", max_age=-1.0)
    lister.error, lister.tools = None, ("x", "y")
    await bench.recent("a", max_age=-1.0)

    assert bench.names == [["x"], ["x", "y"]]


async def test_failing_servers_are_named() -> None:
    down = Lister()
    down.up = False

    assert Bench(a=Lister(), b=down).keeper.failing(["a", "b"]) == ("b",)


async def test_a_server_that_does_not_say_what_it_has_is_named_for_that_and_keeps_its_listing() -> None:
    bench = Bench(a=(lister := Lister("x")), b=Lister("y"))
    await bench.recent("a", "b")
    lister.error = UpstreamError(Reason.UPSTREAM_REPLY_TOO_LARGE, "a", "lists more than 10000 items")
    await bench.recent("a", "b", max_age=-1.0)

    assert bench.keeper.failing(["a", "b"], Kind.TOOL) == ("a",)
    assert bench.keeper.failing(["a", "b"], Kind.PROMPT) == ()
    assert (bench.keeper.unlisted("a"), bench.keeper.unlisted("b")) == (("tools/list",), ())
    assert bench.keeper.failing(["a", "b"]) == ()
    assert bench.names == [["x"], ["y"]]

    lister.error = None
    await bench.recent("a", max_age=-1.0)
    assert bench.keeper.failing(["a", "b"], Kind.TOOL) == ()


async def test_what_is_said_again_is_not_worked_out_again(monkeypatch) -> None:
    worked: list[object] = []
    real = module.definition_steps
    monkeypatch.setattr(module, "definition_steps", lambda *given: worked.append(given) or real(*given))
    bench = Bench(a=(lister := Lister("x")))

    for _ in range(3):
        await bench.recent("a", max_age=-1.0)
    lister.tools = ("x", "y")
    await bench.recent("a", max_age=-1.0)
    lister.tools = ("x",)
    await bench.recent("a", max_age=-1.0)

    assert len(worked) == 3
    assert bench.names == [["x"], ["x", "y"], ["x"]]


async def test_a_definition_that_did_not_change_is_the_very_same() -> None:
    bench = Bench(a=(lister := Lister("x", "y")))
    await bench.recent("a")
    lister.tools = ("x", "y", "z")
    await bench.recent("a", max_age=-1.0)

    (before, _), (after, _) = bench.news
    assert after.definitions[Kind.TOOL][:2] == before.definitions[Kind.TOOL]
    for one, other in zip(after.definitions[Kind.TOOL], before.definitions[Kind.TOOL], strict=False):
        assert one is other


async def test_lists_of_one_server_are_handed_on_one_after_the_other() -> None:
    """Each hands on what the one before it left: none is lost while another is worked out."""
    bench = Bench(a=Lister("x"))
    entered: list[Kind] = []

    async def slowly(new: Listing, kind: Kind) -> None:
        entered.append(kind)
        await asyncio.sleep(0.01)
        assert entered[-1] is kind
        bench.news.append((new, kind))

    bench.keeper = Keeper({"a": Lister("x")}, {}, slowly, {}, Shares())
    await bench.keeper.recent(["a"], [Kind.TOOL, Kind.PROMPT, Kind.RESOURCE])

    assert len(bench.news) == 3
    assert set(bench.news[-1][0].definitions) == {Kind.TOOL, Kind.PROMPT, Kind.RESOURCE}


@pytest.mark.parametrize(
    ("reason", "asked"), [(Reason.UPSTREAM_REPLY_TOO_LARGE, 1), (Reason.UPSTREAM_UNREACHABLE, 2)]
)
async def test_a_server_that_says_what_cannot_be_used_is_not_asked_again_at_once(reason, asked: int) -> None:
    bench = Bench(a=(lister := Lister("x")))
    lister.error = UpstreamError(reason, "a", "no")

    await bench.recent("a")
    await bench.recent("a")

    assert len(lister.asked) == asked


async def test_a_server_that_is_late_is_named_until_it_has_answered(monkeypatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.02)
    bench = Bench(a=(slow := Lister("x")))
    slow.gate = asyncio.Event()
    await bench.recent("a")

    assert bench.keeper.failing(["a"], Kind.TOOL) == ("a",)
    slow.gate.set()
    await asyncio.sleep(0.01)
    assert bench.keeper.failing(["a"], Kind.TOOL) == ()
    assert bench.names == [["x"]]


async def test_the_first_list_waits_longer_for_a_process_that_starts(monkeypatch) -> None:
    """A client that lists once, when it connects, would be without it for the whole of its session."""
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    bench = Bench(a=(process := Lister("x")))
    process.starting, process.gate = True, asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, process.gate.set)

    await bench.recent("a")

    assert bench.names == [["x"]]
    assert bench.keeper.failing(["a"], Kind.TOOL) == ()


async def test_a_process_that_does_not_come_up_is_named_after_a_while(monkeypatch) -> None:
    monkeypatch.setattr(module, "STARTING_WAIT_S", 0.02)
    bench = Bench(a=(process := Lister("x")), b=Lister("y"))
    process.starting, process.gate = True, asyncio.Event()

    await bench.recent("a", "b")

    assert bench.names == [["y"]]
    assert bench.keeper.failing(["a", "b"], Kind.TOOL) == ("a",)
    process.gate.set()
    await asyncio.sleep(0.01)
    assert bench.names == [["y"], ["x"]]


@pytest.mark.spec("DW-187")
async def test_a_server_that_hangs_makes_one_list_wait_and_no_other(monkeypatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.05)
    bench = Bench(a=(slow := Lister("x")), b=Lister("y"))
    slow.gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    began = loop.time()
    await bench.recent("a", "b")
    first = loop.time() - began
    await bench.recent("a", "b")
    second = loop.time() - began - first

    assert bench.names == [["y"]]
    assert first >= 0.04
    assert second < 0.04
    slow.gate.set()
    await asyncio.sleep(0.01)
    assert bench.names == [["y"], ["x"]]
    await bench.keeper.close()


async def test_a_server_that_did_not_answer_hardly_holds_up_the_next_lists(monkeypatch) -> None:
    monkeypatch.setattr(module, "DOUBTFUL_WAIT_S", 0.02)
    bench = Bench(a=(dead := Lister("x")), b=Lister("y"))
    dead.error = UpstreamError(Reason.UPSTREAM_TIMEOUT, "a", "hangs")
    await bench.recent("a", "b")
    dead.gate = asyncio.Event()  # asked again, it hangs
    loop = asyncio.get_running_loop()

    began = loop.time()
    await bench.recent("a", "b")

    assert 0.01 <= loop.time() - began < 1.0
    dead.error = None
    dead.gate.set()
    await asyncio.sleep(0.01)
    assert bench.names == [["y"], ["x"]]
    await bench.keeper.close()


async def test_renewing_does_not_trust_an_answer_that_was_on_its_way() -> None:
    bench = Bench(a=(lister := Lister("old")))
    lister.gate = asyncio.Event()
    asking = asyncio.create_task(bench.recent("a"))
    await asyncio.sleep(0)  # the asker runs, and asks
    await asyncio.sleep(0)  # the question is on its way
    assert lister.asked

    lister.tools = ("new",)
    renewing = asyncio.create_task(bench.keeper.renew("a", [Kind.TOOL]))
    await asyncio.sleep(0)
    lister.gate.set()
    await asyncio.gather(asking, renewing)

    assert bench.names == [["old"], ["new"]]


async def test_closing_stops_asking() -> None:
    bench = Bench(a=(lister := Lister("x")))
    lister.gate = asyncio.Event()
    asking = asyncio.create_task(bench.recent("a"))
    await asyncio.sleep(0)

    await bench.keeper.close()
    await asking

    assert bench.news == []
    await bench.keeper.close()


async def test_a_server_that_announces_without_end_is_asked_now_and_then(monkeypatch) -> None:
    monkeypatch.setattr(pauses, "PAUSE_S", 0.05)
    bench = Bench(a=(lister := Lister("x")))

    for _ in range(3):
        await asyncio.gather(*(bench.keeper.renew("a", [Kind.TOOL]) for _ in range(100)))

    # At once for the first, and once for all that came while one was waiting.
    assert lister.asked == ["tools/list"] * 4


async def test_lists_of_another_kind_do_not_wait_for_each_other(monkeypatch) -> None:
    monkeypatch.setattr(pauses, "PAUSE_S", 30.0)
    bench = Bench(a=(lister := Lister("x")))

    async with asyncio.timeout(5):
        for kinds in ([Kind.TOOL], [Kind.PROMPT], [Kind.RESOURCE, Kind.TEMPLATE]):
            await bench.keeper.renew("a", kinds)

    assert lister.asked == ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]


async def test_the_longer_a_server_announces_the_longer_it_is_let_wait(monkeypatch) -> None:
    monkeypatch.setattr(pauses, "PAUSE_S", 0.02)
    monkeypatch.setattr(pauses, "LONGEST_S", 0.2)
    monkeypatch.setattr(pauses, "BURST", 1)
    bench = Bench(a=(lister := Lister("x")))

    began = time.monotonic()
    for _ in range(7):  # at once, then after 20, 40, 80, 160, 200 and 200 ms
        await bench.keeper.renew("a", [Kind.TOOL])
    assert time.monotonic() - began > 0.65

    await asyncio.sleep(0.25)
    lister.tools = ("new",)
    assert bench.keeper._pauses.left(("a", (Kind.TOOL,)), time.monotonic()) <= 0  # it was quiet long enough
    await bench.keeper.renew("a", [Kind.TOOL])
    assert bench.names[-1] == ["new"]


async def test_what_changes_while_a_server_answers_is_asked_for_once_more(monkeypatch) -> None:
    monkeypatch.setattr(pauses, "PAUSE_S", 0.01)
    bench = Bench(a=(lister := Lister("old")))
    lister.gate = asyncio.Event()
    first = asyncio.create_task(bench.keeper.renew("a", [Kind.TOOL]))
    await asyncio.sleep(0)  # it runs, and asks
    await asyncio.sleep(0)  # the question is on its way
    assert lister.asked

    lister.tools = ("new",)
    later = [asyncio.create_task(bench.keeper.renew("a", [Kind.TOOL])) for _ in range(5)]
    await asyncio.sleep(0)
    lister.gate.set()
    await asyncio.gather(first, *later)

    assert bench.names == [["old"], ["new"]]
    assert len(lister.asked) == 2


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_AGAIN_S", 0.02)
    monkeypatch.setattr(pauses, "PAUSE_S", 0.0)


async def announced_in_vain(error: Exception) -> tuple[Bench, Lister]:
    """A server that was heard, has announced a change, and fails when it is asked what it is."""
    bench = Bench(a=(lister := Lister("old")))
    await bench.keeper.renew("a", [Kind.TOOL])
    lister.tools, lister.error = ("new",), error
    await bench.keeper.renew("a", [Kind.TOOL])
    assert bench.names == [["old"]]
    return bench, lister


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.005)


@pytest.mark.usefixtures("soon")
async def test_what_was_announced_and_not_said_is_asked_for_again_until_it_is() -> None:
    bench, lister = await announced_in_vain(GONE)
    await until(lambda: len(lister.asked) >= 5)
    lister.error = None
    await until(lambda: bench.names == [["old"], ["new"]])

    asked = len(lister.asked)
    await asyncio.sleep(0.1)
    assert len(lister.asked) == asked
    await bench.keeper.close()


@pytest.mark.usefixtures("soon")
async def test_one_that_is_down_is_asked_for_it_when_it_is_up() -> None:
    bench, lister = await announced_in_vain(GONE)
    lister.up = False
    asked = len(lister.asked)
    await asyncio.sleep(0.1)
    assert len(lister.asked) <= asked + 1  # one may have been on its way
    lister.up, lister.error = True, None
    await until(lambda: bench.names == [["old"], ["new"]])
    await bench.keeper.close()


@pytest.mark.usefixtures("soon")
async def test_the_waits_for_what_is_owed_grow_and_end_with_the_keeper() -> None:
    bench, lister = await announced_in_vain(GONE)
    await until(lambda: len(lister.asked) >= 4)
    assert bench.keeper._owed == {("a", Kind.TOOL): module.LONGEST_AGAIN_S}
    await bench.keeper.close()
    asked = len(lister.asked)
    await asyncio.sleep(0.1)
    assert len(lister.asked) == asked


@pytest.mark.usefixtures("soon")
async def test_an_answer_of_no_use_is_not_asked_for_again() -> None:
    bench, lister = await announced_in_vain(UpstreamError(Reason.UPSTREAM_REPLY_TOO_LARGE, "a", "too large"))
    asked = len(lister.asked)
    await asyncio.sleep(0.1)
    assert len(lister.asked) == asked
    await bench.keeper.close()
