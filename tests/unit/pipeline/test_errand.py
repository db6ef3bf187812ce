"""A message's one answer: what the spine's ends become, and who is told."""

import asyncio
from typing import Any

import msgspec
import pytest

from doorward.model.call import Outcome, Reply
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.pipeline.errand import Errand, Waiting
from doorward.pipeline.inflight import InFlight
from doorward.pipeline.rescue import Answer
from doorward.pipeline.trail import NOTHING_SAID, Trail
from tests.unit.catalog.build import call

pytestmark = pytest.mark.asyncio
REPLY = Reply(b'{"ok":1}', None, Outcome.OK)
OTHER = Answer(202, b"")


class Gateway:
    def __init__(self) -> None:
        self.calls = InFlight()


class Story:
    """One errand whose spine is `doing` and whose other ends are answered by `answers`."""

    def __init__(self, doing: Any, answers: Any = None) -> None:
        self.asked: list[Any] = []
        self.told: list[Any] = []
        self.running: set[Errand] = set()
        self.gateway = Gateway()
        self.trail = Trail(None, "an id", 0.0)
        self.trail.call = call("ping", {})
        self._answers = answers
        loop = asyncio.get_running_loop()
        self.errand = Errand(
            self.gateway,
            self.trail,
            self,
            self._answer,
            self.running,
            _loop=loop,
            _doing=self._spine(doing).__await__(),
        )
        self.trail.drive = self.errand
        self.running.add(self.errand)
        self.errand.begin()

    async def _spine(self, doing: Any) -> None:
        self.trail.ended = await doing

    async def _answer(self, ended: Any, gateway: Any, trail: Any) -> None:
        self.asked.append(ended)
        if self._answers is not None:
            await self._answers()
        trail.ended = OTHER

    def end(self, answer: Answer) -> None:
        assert self.running == set()
        self.told.append(answer)

    def lost(self, bug: Any) -> None:
        self.told.append(bug)


async def give(value: Any) -> Any:
    return value


async def fail(error: Exception) -> None:
    raise error


async def test_a_reply_is_the_answer() -> None:
    story = Story(give(REPLY))

    (answer,) = story.told
    assert answer.body == b'{"jsonrpc":"2.0","id":1,"result":{"ok":1}}'
    assert story.errand.over
    assert story.trail.drive is None


@pytest.mark.parametrize("end", [None, CallerError(Reason.PARSE_ERROR, "bad"), ValueError("a bug")], ids=repr)
async def test_any_other_end_is_answered_by_its_own_coroutine(end: Any) -> None:
    story = Story(fail(end) if isinstance(end, Exception) else give(end))

    assert story.asked == [end]
    assert story.told == [OTHER]


async def test_a_spine_that_says_nothing_is_a_bug() -> None:
    story = Story(asyncio.sleep(3600))
    story.errand.follow(asyncio.sleep(0))
    await story.errand.end()

    assert story.asked == [NOTHING_SAID]


async def test_a_cancelled_spine_is_answered_and_the_answer_can_be_waited_for() -> None:
    story = Story(asyncio.sleep(3600), lambda: asyncio.sleep(0))
    assert story.running == {story.errand}
    story.errand.cancel()
    await story.errand.end()

    assert isinstance(story.asked[0], asyncio.CancelledError)
    assert story.told == [OTHER]


async def test_who_is_told_to_stop_while_it_answers_answers() -> None:
    story = Story(asyncio.sleep(3600), lambda: asyncio.sleep(0.01))
    story.errand.stop()
    await asyncio.sleep(0)
    assert len(story.asked) == 1
    story.errand.stop()
    await story.errand.end()

    assert len(story.asked) == 1
    assert story.told == [OTHER]


async def test_a_bug_in_the_answer_is_told_as_one() -> None:
    story = Story(give(None), lambda: fail(ValueError("a bug")))

    assert [str(one) for one in story.told] == ["a bug"]
    assert story.errand.over


async def test_a_caller_that_cannot_take_the_answer_is_told_why() -> None:
    class Deaf(Story):
        def end(self, answer: Answer) -> None:
            raise ValueError("deaf")

    story = Deaf(give(REPLY))

    assert [str(one) for one in story.told] == ["deaf"]


@pytest.mark.spec("DW-027")
async def test_the_id_is_free_again_before_the_answer_goes_out() -> None:
    class Looking(Story):
        def end(self, answer: Answer) -> None:
            self.told.append(len(self.gateway.calls))

    story = Looking(asyncio.sleep(0, REPLY))
    story.gateway.calls.enter(msgspec.structs.replace(call("ping", {}), scope="s"), story.trail)
    await story.errand.end()

    assert story.told == [0]


async def test_who_waits_is_told_whether_it_came_early_or_late() -> None:
    loop = asyncio.get_running_loop()
    early, late, broken = Waiting(loop), Waiting(loop), Waiting(loop)
    waiting = asyncio.create_task(early.told())
    await asyncio.sleep(0)
    early.end(OTHER)
    late.end(OTHER)
    broken.lost(ValueError("a bug"))

    await waiting
    await late.told()
    await broken.told()
    assert (early.answer, late.answer, broken.answer) == (OTHER, OTHER, None)


async def test_a_wait_that_was_cancelled_can_be_begun_again() -> None:
    waiting = Waiting(asyncio.get_running_loop())
    first = asyncio.create_task(waiting.told())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.create_task(waiting.told())
    await asyncio.sleep(0)
    waiting.end(OTHER)

    await second
    assert first.cancelled()
