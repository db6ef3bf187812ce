"""Local servers that stand still: alive, their pipes open, and not a word from them any more."""

import asyncio
import contextlib
import os
import signal

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from tests.attack.test_upstream_stdio import ask, child, refused, until_gone

pytestmark = [pytest.mark.asyncio]


async def test_a_wedged_process_is_ended_and_started_again() -> None:
    """SIGSTOP: alive, its pipes open, and it never says another word."""
    async with child(timeout_s=0.6) as server:
        pid = (await ask(server, agent="a"))["pid"]
        other = (await ask(server, agent="b"))["pid"]
        os.kill(pid, signal.SIGSTOP)
        errors = [await refused(server, "", agent="a") for _ in range(3)]
        assert {error.reason for error in errors} == {Reason.UPSTREAM_TIMEOUT}
        plain = "server lab did not answer within 0.6 s (timeout.total)"
        assert [error.message for error in errors[:2]] == [plain, plain]
        assert errors[2].message == (
            f"{plain}; it said nothing while 3 calls in a row went unanswered, and was ended: "
            "the next call starts it again"
        )
        await until_gone(pid)
        again = await ask(server, agent="a")
        assert (again["calls"], again["pid"] != pid) == (1, True)
        assert (await ask(server, agent="b"))["pid"] == other


async def test_a_process_that_wedges_again_and_again_stays_down() -> None:
    async with child(timeout_s=0.6, unanswered=2, restart_budget=1) as server:
        for _ in range(2):
            await ask(server)
            for _ in range(2):
                assert (await refused(server, "stop-reading")).reason is Reason.UPSTREAM_TIMEOUT
        error = await refused(server, "")
        assert error.reason is Reason.UPSTREAM_UNREACHABLE
        assert "said nothing while 2 calls in a row went unanswered" in error.message


async def test_callers_who_lose_patience_first_find_out_as_well() -> None:
    async with child(timeout_s=0.8) as server:
        pid = (await ask(server))["pid"]
        os.kill(pid, signal.SIGSTOP)
        for _ in range(5):
            with contextlib.suppress(TimeoutError, UpstreamError):
                async with asyncio.timeout(0.45):
                    await ask(server)
        await until_gone(pid)
        assert (await ask(server))["pid"] != pid


async def test_a_wedged_process_that_lists_for_us_is_started_again() -> None:
    async with child("modern", timeout_s=0.6) as server:
        pid = int((await server.list("tools/list"))[0]["name"])
        os.kill(pid, signal.SIGSTOP)
        for _ in range(3):
            with pytest.raises(UpstreamError, match=r"within 0\.6 s"):
                await server.list("tools/list")
        await until_gone(pid)
        assert int((await server.list("tools/list"))[0]["name"]) != pid


async def test_calls_side_by_side_and_those_of_a_process_that_talks_end_nothing() -> None:
    async with child(timeout_s=0.6) as server:
        pid = (await ask(server))["pid"]
        await asyncio.gather(*(refused(server, "hang") for _ in range(8)))
        assert (await ask(server))["pid"] == pid
        for _ in range(3):
            await refused(server, "hang")
            assert (await ask(server))["pid"] == pid


async def test_any_number_of_calls_may_go_unanswered_where_that_is_configured() -> None:
    async with child(timeout_s=0.6, unanswered=0) as server:
        pid = (await ask(server))["pid"]
        for _ in range(4):
            assert (await refused(server, "hang")).message.endswith("within 0.6 s (timeout.total)")
        assert (await ask(server))["pid"] == pid
