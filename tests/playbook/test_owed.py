"""Room for an outcome comes with each decision and goes with that outcome: once all calls are over, whatever
became of them and of the disk, nothing is owed, and the log tells of each call what was done."""

import asyncio
import errno
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.backends.files.disk import OsDisk
from doorward.backends.files.read import read_records
from doorward.backends.files.segments import SegmentLog
from doorward.model.call import Credential, Inbound, Outcome, Reply
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.pipeline.rescue import Answer
from tests.playbook.house import Caller, legacy, request
from tests.playbook.test_asking import Bank, Stream

LARGE = "x" * 100_000
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "read": ("tools/call", {"name": "balance", "arguments": {}}),
    "changed": ("tools/call", {"name": "transfer", "arguments": {"amount": 5, "to": "me"}}),
    "refused": ("tools/call", {"name": "transfer", "arguments": {"amount": 500, "to": "me"}}),
    "hidden": ("tools/call", {"name": "close_account", "arguments": {}}),
    "large": ("tools/call", {"name": "transfer", "arguments": {"amount": 5, "to": LARGE}}),
    "large result": ("tools/call", {"name": "balance", "arguments": {"want": "large"}}),
    "failed": ("tools/call", {"name": "balance", "arguments": {"want": "failure"}}),
    "hanging": ("tools/call", {"name": "balance", "arguments": {"want": "time"}}),
    "asking": ("tools/call", {"name": "balance", "arguments": {"want": "question"}}),
    "asking nobody": ("tools/call", {"name": "balance", "arguments": {"want": "no answer"}}),
    "bug": ("tools/call", {"name": "balance", "arguments": {"want": "bug"}}),
    "listed": ("tools/list", {}),
    "prompt": ("prompts/get", {"name": "greet"}),
    "resource": ("resources/read", {"uri": "doc://rates"}),
    "pinged": ("ping", {}),
    "unknown": ("no/such", {}),
}


class Disk(OsDisk):
    """Fails in the calls that `bad` names."""

    def __init__(self) -> None:
        self.bad = frozenset[int]()
        self.calls = 0

    def _step(self) -> None:
        self.calls += 1
        if self.calls in self.bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def write(self, fd: int, data: bytes, offset: int) -> int:
        self._step()
        return super().write(fd, data, offset)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        self._step()
        super().allocate(fd, offset, size)

    def sync(self, fd: int) -> None:
        self._step()
        super().sync(fd)


class Answering(Stream):
    """A client that answers what it is asked, or not."""

    def __init__(self, bank: Bank, caller: Caller, *, answers: bool) -> None:
        super().__init__()
        self._bank, self._caller, self._answers = bank, caller, answers
        self.tasks: list[asyncio.Task[Answer]] = []

    async def emit(self, message: bytes) -> None:
        await super().emit(message)
        said = json.loads(message)
        if self._answers and said.get("method") == "elicitation/create":
            answer = self._bank.answer(self._caller, {"id": said["id"], "result": {"action": "decline"}})
            self.tasks.append(asyncio.create_task(answer))


class Scene:
    """A gateway over a real log on `disk`, whose server does as its arguments say."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.bank = Bank(within=0.02)
        self.disk = disk
        self.batching: dict[bytes, bytes] = {}
        """Headers of a client of the one revision that has batches."""
        self.log = SegmentLog(directory, disk=disk, segment_bytes=20_000)
        recorder = self.bank.house.gateway.recorder._recorder  # type: ignore[attr-defined]
        self.large = recorder._large
        recorder._log = self.log
        self.sent: Counter[str] = Counter()
        self.bank.house.servers.script = self.script

    async def script(self, permit: Permit) -> Reply:
        call = permit.call
        self.sent[json.dumps(call.id)] += 1
        want = (call.params.get("arguments") or {}).get("want")
        if want == "failure":
            raise UpstreamError(Reason.UPSTREAM_CONNECTION_LOST, "bank", "gone")
        if want == "bug":
            raise ZeroDivisionError
        if want == "time":
            await asyncio.sleep(0.01)
        if want in {"question", "no answer"}:
            assert call.session is not None
            await self.bank.asking.ask(self.bank.inquiry(call.session.id, permit))
        text = LARGE if want == "large" else "done"
        return Reply(b'{"content":[{"type":"text","text":"%s"}]}' % text.encode(), None, Outcome.OK)

    async def run(self, kinds: list[tuple[str, int | None]], bad: frozenset[int]) -> None:
        """All of them at once; those with a number are cancelled after so many turns of the loop."""
        caller = await self.bank.client()
        self.batching = (await legacy(self.bank.house, version="2025-03-26")).headers
        self.disk.bad = bad
        async with asyncio.TaskGroup() as group:
            for number, (kind, turns) in enumerate(kinds, 1):
                group.create_task(self._call(caller, number, kind, turns))
        await self.large.settled()

    async def _call(self, caller: Caller, number: int, kind: str, turns: int | None) -> None:
        method, params = CALLS.get(kind, CALLS["read"])
        message: Any = request(method, params, id=number)
        headers = caller.headers
        if kind == "batch":
            headers = self.batching
            message = [request(*CALLS[each], id=number * 100 + at) for at, each in enumerate(CALLS)]
        stream = Answering(self.bank, caller, answers=kind == "asking")
        inbound = Inbound(
            "http", "bank", Credential("bot", "192.0.2.7", local=False, proxied=False), headers,
            msgspec.json.encode(message), stream,
        )  # fmt: skip
        serving = asyncio.create_task(self.bank.house.door.serve(inbound))
        if turns is not None:
            for _ in range(turns):
                await asyncio.sleep(0)
            serving.cancel()
        await asyncio.wait([serving])
        if stream.tasks:
            await asyncio.wait(stream.tasks)


def told(directory: Path) -> tuple[dict[str, dict[str, Any]], Counter[str]]:
    """Permits by the id of their call, and how many outcomes each has."""
    permits: dict[str, dict[str, Any]] = {}
    outcomes: Counter[str] = Counter()
    for line in read_records(directory):
        record = json.loads(line)
        if record["kind"] == "decision" and record["decision"]["effect"] == "permit":
            permits[record["call_id"]] = record
        elif record["kind"] == "outcome":
            outcomes[record["call_id"]] += 1
    return permits, outcomes


KINDS = st.tuples(st.sampled_from([*CALLS, "batch"]), st.none() | st.integers(0, 12))


@settings(max_examples=60, deadline=None)
@given(kinds=st.lists(KINDS, min_size=1, max_size=10), bad=st.frozensets(st.integers(6, 40), max_size=4))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nothing_is_owed_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[tuple[str, int | None]], bad: frozenset[int]
) -> None:
    directory = tmp_path_factory.mktemp("owed") / "audit"
    disk = Disk()

    async def run() -> Scene:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # of the calls that meet a bug
        scene = Scene(directory, disk)
        await scene.run(kinds, bad)
        await asyncio.sleep(0.01)
        assert scene.log._owed == 0, (kinds, bad)
        disk.bad = frozenset()
        await scene.log.close()
        return scene

    scene = asyncio.run(run())
    permits, outcomes = told(directory)
    assert set(outcomes.values()) <= {1}
    if disk.calls < min(bad, default=10_000):
        assert set(outcomes) == set(permits)
    calls = [one["mcp"] for one in permits.values() if "request_id" in one["mcp"]]
    recorded = Counter(json.dumps(one["request_id"]) for one in calls)
    assert all(recorded[number] >= count for number, count in scene.sent.items()), "sent without its record"
