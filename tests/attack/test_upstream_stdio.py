"""Hostile and broken stdio servers: one clear answer, no other caller touched, no process left behind."""

import asyncio
import json
import os
import signal
import statistics
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from doorward.model.call import Era, Outcome
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream import process
from doorward.upstream.server import Server
from doorward.upstream.settings import ServerSettings
from doorward.upstream.warden import Warden
from tests.attack.hostile_server import Events, permit, until

pytestmark = [pytest.mark.asyncio]
CHILD = str(Path(__file__).with_name("hostile_child.py"))


@asynccontextmanager
async def child(*manners: str, warden: Warden | None = None, **settings: Any) -> AsyncIterator[Server]:
    before = asyncio.all_tasks()
    command = (sys.executable, "-S", "-E", CHILD, *manners)
    server = Server(ServerSettings(name="lab", command=command, probe_s=1.0, stop_s=1.0, **settings), warden)
    await server.start()
    try:
        yield server
    finally:
        await server.close(1.0)
    assert asyncio.all_tasks() == before


async def ask(server: Server, do: str = "", *, generations: int = 1, **options: Any) -> dict[str, Any]:
    arguments = {"do": do, "generations": generations}
    reply = await server.send(permit(params={"name": "x", "arguments": arguments}, **options))
    assert reply.outcome is Outcome.OK
    text: dict[str, Any] = json.loads(json.loads(reply.result or b"")["content"][0]["text"])
    return text


async def refused(server: Server, do: str, **options: Any) -> UpstreamError:
    with pytest.raises(UpstreamError, match="server lab") as caught:
        await ask(server, do, **options)
    return caught.value


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text()


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


async def until_gone(pid: int) -> None:
    await until(lambda: gone(pid))


@pytest.mark.spec("DW-165", "DW-825")
async def test_each_principal_has_a_process_and_none_is_left() -> None:
    async with child() as server:
        a, b, again = await asyncio.gather(
            ask(server, agent="a"), ask(server, agent="b"), ask(server, agent="a")
        )
        assert a["pid"] == again["pid"] != b["pid"]
        discovery = int((await server.list("tools/list"))[0]["name"])
        assert discovery not in (a["pid"], b["pid"])
        assert server.era is Era.LEGACY
    for pid in (a["pid"], b["pid"], discovery):
        assert gone(pid)


@pytest.mark.spec("DW-348")
@pytest.mark.parametrize("settings", [{"shared": True}, {}])
async def test_shared_and_modern_servers_have_one_process(settings: dict[str, Any]) -> None:
    manners = () if settings else ("modern",)
    async with child(*manners, **settings) as server:
        found = await asyncio.gather(ask(server, agent="a"), ask(server, agent="b"))
        assert found[0]["pid"] == found[1]["pid"]


@pytest.mark.spec("DW-348")
async def test_a_modern_server_is_started_once() -> None:
    before = set(children_of(os.getpid()))
    async with child("modern") as server:
        seen = await ask(server)
        assert set(children_of(os.getpid())) - before == {str(seen["pid"])}
        assert seen["calls"] == 1
    async with child("modern") as server:
        await until(lambda: server.up)  # and nobody has called it yet
    assert set(children_of(os.getpid())) <= before


async def test_only_the_allowed_environment_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORWARD_TEST_SECRET", "x")
    async with child(env={"GIVEN": "1"}) as server:
        seen = (await ask(server))["env"]
        assert "GIVEN" in seen
        assert "PATH" in seen
        assert "DOORWARD_TEST_SECRET" not in seen


@pytest.mark.spec("DW-347")
@pytest.mark.parametrize("manner", ["noisy", "dies-on-probe", "mute-on-probe"])
async def test_odd_servers_are_served(manner: str) -> None:
    async with child(manner) as server:
        assert (await ask(server))["calls"] == 1


@pytest.mark.spec("DW-347")
async def test_a_crash_answers_its_calls_and_only_those() -> None:
    async with child() as server:
        other = await ask(server, agent="b")
        hanging = asyncio.create_task(ask(server, "hang", agent="a"))
        await asyncio.sleep(0.2)
        error = await refused(server, "crash", agent="a")
        assert error.reason is Reason.UPSTREAM_CONNECTION_LOST
        assert "exit status 3" in error.message
        with pytest.raises(UpstreamError):
            await hanging
        assert (await ask(server, agent="b"))["pid"] == other["pid"]
        assert (await ask(server, agent="a"))["calls"] == 1


async def test_a_server_that_keeps_crashing_is_left_alone() -> None:
    async with child(restart_budget=2) as server:
        for _ in range(3):
            assert (await refused(server, "crash")).reason is Reason.UPSTREAM_CONNECTION_LOST
        error = await refused(server, "crash")
        assert error.reason is Reason.UPSTREAM_UNREACHABLE
        assert "keeps crashing" in error.message


async def test_last_words_of_a_server_that_cannot_start_are_shown() -> None:
    async with child("dies-at-once") as server:
        error = await refused(server, "")
        assert error.reason is Reason.UPSTREAM_UNREACHABLE
        assert "no licence" not in error.message
        assert server.state.level == "down"
        assert "no licence" in (server.state.details or "")


async def test_a_command_that_does_not_exist_is_said() -> None:
    server = Server(ServerSettings(name="lab", command=("/no/such/command",)))
    await server.start()
    error = await refused(server, "")
    assert error.reason is Reason.UPSTREAM_UNREACHABLE
    assert "/no/such/command" in error.message
    await server.close(1.0)


@pytest.mark.spec("DW-347")
async def test_an_endless_line_ends_the_process() -> None:
    async with child(max_reply_bytes=50_000) as server:
        pid = (await ask(server))["pid"]
        assert (await refused(server, "long")).reason is Reason.UPSTREAM_REPLY_TOO_LARGE
        await until_gone(pid)


async def test_closed_output_ends_the_process() -> None:
    async with child() as server:
        pid = (await ask(server))["pid"]
        assert (await refused(server, "close")).reason is Reason.UPSTREAM_CONNECTION_LOST
        await until_gone(pid)


@pytest.mark.spec("DW-021")
async def test_wrong_and_repeated_ids_reach_nobody() -> None:
    async with child() as server:
        assert (await ask(server, "wrong"))["calls"] == 1
        assert (await ask(server, "twice"))["calls"] == 2
        assert (await ask(server))["calls"] == 3
        assert sum(server.dropped.values()) == 4


async def test_requests_to_the_client_are_refused() -> None:
    async with child() as server:
        reply = await server.send(permit(params={"name": "x", "arguments": {"do": "ask"}}))
        assert json.loads(reply.result or b"")["content"][0]["text"] == "-32601"


@pytest.mark.spec("DW-145")
async def test_progress_has_the_callers_token() -> None:
    async with child() as server:
        events = Events()
        await ask(server, "progress", events=events, token=7)
        assert [one["params"]["progressToken"] for one in events.got] == [7, 7, 7]


@pytest.mark.spec("DW-216")
async def test_timeout_and_cancellation_reach_the_process() -> None:
    async with child(timeout_s=1.0) as server:
        await ask(server)
        assert (await refused(server, "hang")).reason is Reason.UPSTREAM_TIMEOUT
        first = (await ask(server))["cancelled"]
        assert isinstance(first, int)
        task = asyncio.create_task(ask(server, "hang"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await ask(server))["cancelled"] > first


@pytest.mark.spec("DW-347")
async def test_a_deaf_process_and_its_children_are_killed() -> None:
    async with child("deaf", "parent") as server:
        pid = (await ask(server))["pid"]
        children = children_of(pid)
        assert children
    assert gone(pid)
    for grandchild in children:
        await until_gone(int(grandchild))


@pytest.mark.spec("DW-825")
async def test_idle_processes_are_ended() -> None:
    async with child(conversation_idle_s=0.2) as server:
        await until_gone((await ask(server))["pid"])
        assert (await ask(server))["calls"] == 1


# what a child may take of ours


async def test_a_child_gets_three_descriptors_and_the_mask_it_is_given() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    os.set_inheritable(writer, True)
    try:
        async with child(umask=0o027) as server:
            seen = await ask(server)
    finally:
        os.close(reader)
        os.close(writer)
    assert seen["descriptors"] == [0, 1, 2]
    assert seen["umask"] == 0o027


async def test_a_directory_that_does_not_exist_is_said() -> None:
    async with child(cwd="/no/such/directory") as server:
        assert "there is no directory /no/such/directory" in (await refused(server, "")).message


@pytest.mark.spec("DW-347")
async def test_noise_is_reported_once_for_a_process() -> None:
    async with child("noisy") as server:
        await ask(server)
        note = server.state.note or ""
        assert "not JSON-RPC" in note
        assert "Welcome to the noisy server!" in note
        assert server.dropped["not JSON-RPC"] >= 4
        assert server.state.level == "up"


# a child that writes or reads as it should not


async def test_a_hundred_megabytes_without_a_line_end_cost_no_more_than_the_limit() -> None:
    tracemalloc.start()
    try:
        async with child(max_reply_bytes=1_000_000) as server:
            pid = (await ask(server))["pid"]
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            assert (await refused(server, "endless")).reason is Reason.UPSTREAM_REPLY_TOO_LARGE
            assert tracemalloc.get_traced_memory()[1] - before < 4_000_000
            await until_gone(pid)
    finally:
        tracemalloc.stop()


@pytest.mark.spec("DW-442")
@pytest.mark.parametrize("do", ["flood", "flood-stderr", "ask-on"])
async def test_a_flood_leaves_the_others_their_time_and_is_bounded(do: str) -> None:
    async with child() as server:
        await ask(server, agent="a")
        await ask(server, agent="b")
        tracemalloc.start()
        flood = asyncio.create_task(ask(server, do, agent="a"))
        await asyncio.sleep(0.3)
        took = []
        for _ in range(50):
            began = time.perf_counter()
            await ask(server, agent="b")
            took.append(time.perf_counter() - began)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert not flood.done()
        flood.cancel()
    assert statistics.median(took) < 0.3
    assert peak < 8_000_000


async def test_calls_wait_for_a_child_that_does_not_read_and_are_then_told_that_nothing_was_sent() -> None:
    async with child(timeout_s=1.0) as server:
        await ask(server, agent="b")
        stuck = asyncio.create_task(refused(server, "stop-reading", agent="a"))
        await asyncio.sleep(0.2)
        text = {"text": "x" * 100_000}
        waiting = [
            asyncio.create_task(server.send(permit(params={"name": "x", "arguments": text}, agent="a")))
            for _ in range(50)
        ]
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert (await stuck).reason is Reason.UPSTREAM_TIMEOUT
        reasons = [one.reason for one in ended if isinstance(one, UpstreamError)]
        assert len(reasons) == 50
        assert reasons.count(Reason.UPSTREAM_OVERLOADED) >= 44  # the others lie in the pipe or before it
        assert (await ask(server, agent="b"))["calls"] == 2


async def test_closed_input_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SILENT_S", 2.0)
    async with child() as server:
        pid = (await ask(server))["pid"]
        cut = asyncio.create_task(refused(server, "close-input"))
        await asyncio.sleep(0.7)
        late = await refused(server, "")  # before it is killed: nothing of this one was sent
        assert late.reason is Reason.UPSTREAM_UNREACHABLE
        assert late.message == "server lab has closed its standard input"
        assert (await cut).reason is Reason.UPSTREAM_CONNECTION_LOST
        await until_gone(pid)


async def test_a_server_that_is_down_says_what_its_last_crash_was() -> None:
    async with child(restart_budget=1) as server:
        for _ in range(2):
            await refused(server, "crash")
        message = (await refused(server, "crash")).message
        assert "keeps crashing" in message
        assert "exit status 3" in message


@pytest.mark.spec("DW-825")
async def test_at_the_cap_the_oldest_idle_process_ends_and_busy_ones_do_not() -> None:
    async with child(max_conversations=3) as server:
        old, new = [await ask(server, agent=agent) for agent in ("old", "new")]
        third = await ask(server, agent="third")
        assert gone(old["pid"])
        assert not gone(new["pid"])
        hanging = [asyncio.create_task(ask(server, "hang", agent=agent)) for agent in ("new", "third")]
        await asyncio.sleep(0.1)
        error = await refused(server, "", agent="fourth")
        assert error.reason is Reason.UPSTREAM_OVERLOADED
        assert not gone(third["pid"])
        for task in hanging:
            task.cancel()


# what a child leaves behind


@pytest.mark.spec("DW-825")
@pytest.mark.parametrize("generations", [1, 5])
async def test_what_left_its_group_is_ended_with_it(generations: int) -> None:
    warden = Warden()
    async with child(warden=warden) as server:
        escaped = (await ask(server, "escape", generations=generations))["escaped"]
        assert len(escaped) == generations
        assert not any(gone(pid) for pid in escaped[-1:])
        other = (await ask(server, "escape", agent="b"))["escaped"]
        assert not gone(other[0])
        server.close_conversation(permit().principal.owner)
        await until_gone(escaped[-1])
        assert not gone(other[0])
    await until_gone(other[0])
    await warden.close()
    assert warden.pid is None


@pytest.mark.spec("DW-825")
async def test_a_warden_that_was_killed_is_replaced_and_told_everything() -> None:
    warden = Warden()
    async with child(warden=warden) as server:
        escaped = (await ask(server, "escape"))["escaped"]
        first = warden.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: warden.pid is None)
        await ask(server, agent="b")
        assert warden.pid not in (None, first)
    await until_gone(escaped[0])
    await warden.close()


async def test_a_warden_that_stands_still_holds_up_nobody() -> None:
    warden = Warden()
    async with child(warden=warden) as server:
        await ask(server)
        stopped = warden.pid
        assert stopped is not None
        os.kill(stopped, signal.SIGSTOP)
        for number in range(5000):  # more than the pipe holds
            warden.started(f"mark{number}", 2**22 + number)
        await until(lambda: gone(stopped))
        for number in range(5000):
            warden.ended(f"mark{number}")
        assert (await ask(server, agent="b"))["calls"] == 1
    await warden.close()


SLOW_TO_START = """
import json, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if asked["method"] == "initialize":
        time.sleep(1.5)
        who = {"name": "s", "version": "1"}
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": who}
    elif asked["method"] == "server/discover":
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete",
                  "ttlMs": 0, "cacheScope": "private"}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


async def test_a_process_of_both_eras_has_time_to_start_before_it_counts_as_one_of_the_newer_only() -> None:
    command = (sys.executable, "-S", "-E", "-c", SLOW_TO_START)
    server = Server(ServerSettings(name="lab", command=command, probe_s=1.0, stop_s=1.0))
    await server.start()
    try:
        running = server._running
        await running.discovery.ready()
        assert running.discovery.era is Era.MODERN

        conversation = await running.dialer.open_older("a session")
        assert conversation.era is Era.LEGACY
        await conversation.close(1.0)
    finally:
        await server.close(1.0)
