"""Who gets what a process says beside its answers. The process is a list of lines."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from doorward.model.call import Call, Era
from doorward.upstream.deadlines import Deadlines
from doorward.upstream.introduction import Introduction
from doorward.upstream.live import Live
from doorward.upstream.relay import Relay
from doorward.upstream.settings import ServerSettings
from doorward.upstream.stdio import StdioConversation
from tests.support.calls import call_of

pytestmark = [pytest.mark.asyncio]


class Lines:
    """Stands for the process: what was written to it."""

    alive = True
    unread = 0

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    def write(self, line: bytes) -> None:
        self.written.append(json.loads(line))


class Heard:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def emit(self, message: bytes) -> None:
        self.messages.append(json.loads(message))


class Bench:
    def __init__(self, key: str | None = "default|anna|bot", era: Era = Era.LEGACY) -> None:
        loop = asyncio.get_running_loop()
        self.relay, self.deadlines = Relay(), Deadlines(loop)
        settings = ServerSettings(name="lab", command=("x",))
        self.one = StdioConversation(settings, self.deadlines, self.relay, key, era)
        self.one._process = self.process = Lines()
        self.tasks: dict[int, asyncio.Task[Any]] = {}

    async def begin(self, number: int, *, level: str | None = None, token: int | None = None) -> Heard:
        heard = Heard()
        live = Live(
            "lab", number, "tools/call", call(level, token, heard), asyncio.get_running_loop().time() + 60
        )
        self.tasks[number] = asyncio.create_task(self.one.request(live, {}))
        await asyncio.sleep(0)
        return heard

    async def says(self, message: dict[str, Any]) -> None:
        self.one._take(json.dumps({"jsonrpc": "2.0", **message}).encode())
        for _ in range(3):
            await asyncio.sleep(0)


def call(level: str | None, token: int | None, events: Heard) -> Call:
    return call_of(log_level=level, progress_token=token, events=events)


@contextmanager
def bench(key: str | None = "default|anna|bot", era: Era = Era.LEGACY) -> Iterator[Bench]:
    made = Bench(key, era)
    yield made
    for task in made.tasks.values():
        task.cancel()
    made.deadlines.close()


def log(level: str) -> dict[str, Any]:
    return {"method": "notifications/message", "params": {"level": level, "data": "text"}}


@pytest.mark.spec("DW-204")
async def test_a_log_message_goes_to_the_newest_call_that_wants_its_level() -> None:
    with bench() as made:
        unclaimed: list[tuple[str | None, str, dict[str, Any]]] = []
        made.relay.on_notification = lambda *told: unclaimed.append(told)
        old, new, deaf = [
            await made.begin(n, level=level) for n, level in ((1, "info"), (2, "debug"), (3, None))
        ]

        await made.says(log("warning"))
        await made.says(log("debug"))

        assert [one["params"]["level"] for one in new.messages] == ["warning", "debug"]
        assert old.messages == deaf.messages == []

        await made.says({"id": 2, "result": {}})
        await made.says(log("warning"))
        await made.says(log("debug"))

        assert [one["params"]["level"] for one in old.messages] == ["warning"]
        assert unclaimed == [(made.one.key, "notifications/message", log("debug")["params"])]


@pytest.mark.spec("DW-165")
async def test_in_a_shared_process_nobody_gets_what_may_be_about_another() -> None:
    with bench(None) as made:
        heard = await made.begin(1, level="debug")

        await made.says(log("emergency"))

        assert heard.messages == []
        assert made.relay.dropped == {"log message nobody asked for": 1}


@pytest.mark.spec("DW-165")
async def test_of_a_modern_process_the_only_call_gets_what_can_be_about_no_other() -> None:
    with bench(None, Era.MODERN) as made:
        alone = await made.begin(1, level="info")
        await made.says(log("debug"))
        await made.says(log("warning"))
        assert [one["params"]["level"] for one in alone.messages] == ["warning"]

        other = await made.begin(2, level="info")
        await made.says(log("error"))
        assert [len(one.messages) for one in (alone, other)] == [1, 0]

        await made.says({"id": 1, "result": {}})
        await made.says(log("alert"))
        assert [one["params"]["level"] for one in other.messages] == ["alert"]


@pytest.mark.spec("DW-165")
async def test_a_listen_of_ours_that_ended_keeps_no_log_message_back() -> None:
    with bench(None, Era.MODERN) as made:
        listen = Live("lab", 9, "subscriptions/listen", None, asyncio.get_running_loop().time() + 60)
        listening = asyncio.create_task(made.one.listen_on(listen, {}))
        await asyncio.sleep(0)
        listening.cancel()
        await asyncio.wait({listening})
        alone = await made.begin(1, level="info")

        await made.says(log("error"))
        assert len(alone.messages) == 1


@pytest.mark.spec("DW-165")
async def test_what_a_modern_process_says_after_a_call_was_given_up_goes_to_nobody_else() -> None:
    with bench(None, Era.MODERN) as made:
        await made.begin(1, level="info")
        made.tasks[1].cancel()
        await asyncio.wait({made.tasks[1]})
        next_one = await made.begin(2, level="info")

        await made.says(log("error"))
        assert next_one.messages == []

        made.one._settled_at = asyncio.get_running_loop().time()
        await made.says(log("error"))
        assert len(next_one.messages) == 1


@pytest.mark.spec("DW-200")
async def test_progress_finds_its_own_call_and_no_other() -> None:
    with bench() as made:
        first, second = await made.begin(1, token=70), await made.begin(2, token=70)

        await made.says({"method": "notifications/progress", "params": {"progressToken": 2, "progress": 1}})
        await made.says({"method": "notifications/progress", "params": {"progressToken": 70, "progress": 1}})
        await made.says(
            {"method": "notifications/progress", "params": {"progressToken": True, "progress": 1}}
        )

        assert first.messages == []
        assert [one["params"]["progressToken"] for one in second.messages] == [70]
        assert made.relay.dropped == {"notification for no live call": 2}


@pytest.mark.spec("DW-025")
@pytest.mark.parametrize("number", [9, "1", True, 1.0])
async def test_an_answer_to_nothing_is_dropped(number: Any) -> None:
    with bench() as made:
        await made.begin(1)

        await made.says({"id": number, "result": {}})

        assert not made.tasks[1].done()
        assert sum(made.relay.dropped.values()) == 1


@pytest.mark.spec("DW-211")
async def test_a_cancelled_call_is_cancelled_at_the_server() -> None:
    with bench() as made:
        await made.begin(7)
        made.tasks[7].cancel()
        await asyncio.sleep(0)

        assert [(one["method"], one["params"].get("requestId")) for one in made.process.written] == [
            ("tools/call", None),
            ("notifications/cancelled", 7),
        ]
        assert made.one.busy == 0


CHANGED = {"method": "notifications/tools/list_changed"}


@pytest.mark.parametrize(("key", "said"), [("default|anna|bot", 1), (None, 0)])
async def test_an_operator_is_told_once_of_changes_that_no_list_shows(key: str | None, said: int) -> None:
    with bench(key) as made:
        notes: list[str] = []
        unclaimed: list[str] = []
        made.one.on_noise = notes.append
        made.relay.on_notification = lambda _, method, __: unclaimed.append(method)

        await made.says(CHANGED)
        await made.says({"method": "notifications/resources/updated", "params": {"uri": "a:b"}})
        await made.says(CHANGED)

        assert len(notes) == said
        assert all("tools/list_changed in the process of one caller" in one for one in notes)
        assert unclaimed.count(CHANGED["method"]) == 2


@pytest.mark.parametrize(("version", "heard"), [("2025-03-26", 2), ("2025-06-18", 0)])
async def test_a_process_of_2025_03_26_may_answer_two_calls_at_once(version: str, heard: int) -> None:
    with bench() as made:
        made.one.introduction = Introduction(version, {}, {}, None)
        for number in (1, 2):
            await made.begin(number)
        answers = [{"jsonrpc": "2.0", "id": number, "result": {"n": number}} for number in (2, 1)]
        answered = made.one._take(json.dumps(answers).encode())
        await asyncio.sleep(0.01)

        assert answered is (heard == 2)
        assert [task.done() for task in made.tasks.values()] == [heard == 2] * 2
        assert made.relay.dropped["not JSON-RPC"] == (heard == 0)
        if heard:
            assert [made.tasks[number].result().result for number in (1, 2)] == [b'{"n":1}', b'{"n":2}']
