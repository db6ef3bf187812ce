"""What becomes of a server's question on our upstream side: carried, bounded, withdrawn, or refused."""

import asyncio
import json
from collections import Counter
from typing import Any

import msgspec
import pytest

from doorward.model.call import Era, RpcError, Session
from doorward.model.errors import CallerError, UpstreamError
from doorward.model.reasons import Reason
from doorward.ports.asks import Inquiry
from doorward.upstream import keys
from doorward.upstream.live import Live
from doorward.upstream.questions import AT_ONCE, MOST, NoClients, Questions
from doorward.wire.jsonrpc import UpstreamRequest
from tests.support.calls import call_of

pytestmark = [pytest.mark.asyncio]

ALL = ("elicitation", "sampling", "roots")
FORMS = {"elicitation": {"form": {}}, "roots": {"listChanged": True}}
SESSION = Session("s1", "o", "bank", "2025-11-25", FORMS, {})
CALL = call_of(endpoint="bank", session=SESSION, capabilities=FORMS, scope="s1")
MODERN = msgspec.structs.replace(CALL, era=Era.MODERN, version="2026-07-28", session=None)


class Client:
    """Implements ports.Asks: answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[Inquiry] = []
        self.answer: asyncio.Future[bytes | RpcError] = asyncio.get_running_loop().create_future()

    def client(self, key: str) -> Session | None:
        return SESSION if key == "s1" else None

    async def ask(self, inquiry: Inquiry) -> bytes | RpcError:
        self.asked.append(inquiry)
        return await asyncio.shield(self.answer)


class Bench:
    def __init__(self, may_ask: tuple[str, ...] = ALL) -> None:
        self.client = Client()
        self.dropped: Counter[str] = Counter()
        self.questions = Questions("bank", may_ask, self.client, self.dropped)
        self.said: list[dict[str, Any]] = []
        self.live = Live("bank", 7, "tools/call", CALL, 1e9)

    def put(
        self, request_id: int | str = 1, *, key: str | None = "s1", stray: bool = False, **params: Any
    ) -> None:
        request = UpstreamRequest(request_id, "elicitation/create", params)
        live = None if stray else self.live
        self.questions.put(request, key, live, live, lambda message: self.said.append(json.loads(message)))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.spec("DW-241")
async def test_an_answer_comes_under_the_servers_own_id() -> None:
    bench = Bench()
    bench.put("q-1", message="who?")
    await settle()
    asked = bench.client.asked[0]
    assert (asked.server, asked.key, asked.call, asked.params) == ("bank", "s1", CALL, {"message": "who?"})
    assert bench.said == []
    bench.client.answer.set_result(b'{"action":"accept"}')
    await settle()
    assert bench.said == [{"jsonrpc": "2.0", "id": "q-1", "result": {"action": "accept"}}]
    assert bench.live.deadline < 2e9


@pytest.mark.spec("DW-241")
async def test_an_error_of_the_client_is_the_servers() -> None:
    bench = Bench()
    bench.put(5)
    bench.client.answer.set_result(RpcError(-1, "no", {"why": "tired"}))
    await settle()
    error = {"code": -1, "message": "no", "data": {"why": "tired"}}
    assert bench.said == [{"jsonrpc": "2.0", "id": 5, "error": error}]


async def test_a_flood_is_cut() -> None:
    bench = Bench()
    for number in range(AT_ONCE + 3):
        bench.put(number)
    await settle()
    assert len(bench.client.asked) == AT_ONCE
    assert [one["error"]["code"] for one in bench.said] == [-32603] * 3
    assert bench.dropped["question too many"] == 3
    bench.client.answer.set_result(b"{}")
    for number in range(100, 100 + MOST):
        await settle()
        bench.put(number)
    await settle()
    assert len(bench.client.asked) == MOST


async def test_an_id_that_waits_is_not_asked_again() -> None:
    bench = Bench()
    bench.put(1)
    bench.put(1)
    assert [one["error"]["code"] for one in bench.said] == [-32603]
    await settle()
    assert len(bench.client.asked) == 1
    assert bench.live.questions is not None
    await bench.live.questions.close()


@pytest.mark.spec("DW-246")
async def test_who_may_ask_nothing_gets_an_error_at_once() -> None:
    bench = Bench(())
    bench.put()
    assert bench.said == [
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}
    ]
    assert bench.questions.declared("s1") == {}
    assert bench.questions.declared(None) == {}


async def test_callers_without_a_session_are_heard_nowhere_but_there() -> None:
    bench = Bench()
    assert bench.questions.apart("tenant/user/agent")
    assert not bench.questions.apart("s1")
    assert not bench.questions.apart(None)
    assert not Questions("bank", ALL, NoClients(), Counter()).apart("tenant/user/agent")


@pytest.mark.parametrize(
    ("may_ask", "declared", "words"),
    [
        (("roots",), FORMS, "Method not found"),
        (ALL, {}, "Method not found (capability_missing: the client has not declared elicitation)"),
        (ALL, FORMS, "Method not found (bridge_unsupported: elicitation is not carried across eras)"),
    ],
)
async def test_what_may_be_about_any_of_their_calls_is_refused_by_name(
    may_ask: tuple[str, ...], declared: dict[str, Any], words: str
) -> None:
    """It ends none of them: the others would be ended for nothing."""
    bench = Bench(may_ask)
    bench.put(3, key=keys.of_caller("tenant/user/agent", declared), stray=True)
    assert bench.said == [{"jsonrpc": "2.0", "id": 3, "error": {"code": -32601, "message": words}}]
    assert bench.client.asked == []
    assert bench.dropped["request to the client"] == 1


@pytest.mark.spec("DW-346")
async def test_our_own_conversation_asks_nobody_and_is_told_all_that_may_be_asked() -> None:
    bench = Bench(("sampling", "roots"))
    assert bench.questions.declared(None) == {"sampling": {"tools": {}, "context": {}}, "roots": {}}
    bench.put(key=None, stray=True)
    assert bench.said[0]["error"]["code"] == -32601
    assert bench.client.asked == []


@pytest.mark.spec("DW-143")
async def test_a_conversation_is_opened_with_that_and_with_the_clients_apps() -> None:
    bench = Bench(("roots",))
    apps: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/ui": {}}}
    assert bench.questions.introduced("s1") == {"roots": {"listChanged": True}}
    bench.client.client = lambda _: msgspec.structs.replace(SESSION, capabilities=FORMS | apps)  # type: ignore[method-assign]
    assert bench.questions.introduced("s1") == {"roots": {"listChanged": True}} | apps
    assert bench.questions.introduced(None) == {"roots": {}}


async def test_a_modern_caller_declares_what_its_key_says() -> None:
    bench = Bench(("roots", "elicitation"))
    asked = {"elicitation": {"form": {}}, "roots": {}}
    key = keys.of_caller("default|anna|bot", asked)
    assert bench.questions.declared(key) == bench.questions.introduced(key) == asked
    assert Bench(()).questions.declared(key) == {}


@pytest.mark.spec("DW-143")
async def test_a_session_declares_what_its_client_did() -> None:
    bench = Bench(("roots", "sampling"))
    assert bench.questions.declared("s1") == {"roots": {"listChanged": True}}
    assert bench.questions.declared("default|anna|bot") == {}


@pytest.mark.spec("DW-254")
@pytest.mark.parametrize(
    ("may_ask", "capabilities", "reason"),
    [
        (ALL, FORMS, Reason.BRIDGE_UNSUPPORTED),
        (ALL, {}, Reason.CAPABILITY_MISSING),
        (("roots",), FORMS, None),
    ],
)
async def test_a_call_of_the_other_era_ends_by_name(
    may_ask: tuple[str, ...], capabilities: dict[str, Any], reason: Reason | None
) -> None:
    bench = Bench(may_ask)
    bench.live.call = msgspec.structs.replace(MODERN, capabilities=capabilities)
    if reason is None:
        bench.put()
    else:
        with pytest.raises((CallerError, UpstreamError), match="server bank needs elicitation") as error:
            bench.put()
        assert error.value.reason is reason
    assert bench.said[0]["error"]["code"] == -32601  # the server does not hang
    assert bench.client.asked == []


@pytest.mark.spec("DW-217")
async def test_a_server_withdraws_what_it_asked() -> None:
    bench = Bench()
    bench.put(1)
    bench.put("stray", stray=True)
    await settle()
    assert not bench.questions.withdrawn("s1", bench.live, {"requestId": 99})
    assert not bench.questions.withdrawn("s1", bench.live, None)
    assert bench.questions.withdrawn("s1", bench.live, {"requestId": 1})
    assert not bench.questions.withdrawn("s2", None, {"requestId": "stray"})
    assert bench.questions.withdrawn("s1", None, {"requestId": "stray"})
    await settle()
    assert bench.said == []
    assert bench.live.questions is not None
    assert len(bench.live.questions) == 0


@pytest.mark.spec("DW-250")
async def test_what_belongs_to_no_call_ends_with_the_server() -> None:
    bench = Bench()
    bench.put("stray", stray=True)
    await settle()
    assert bench.client.asked[0].call is None
    await bench.questions.close()
    assert not bench.questions.withdrawn("s1", None, {"requestId": "stray"})


@pytest.mark.spec("DW-241")
async def test_progress_goes_back_under_the_servers_token() -> None:
    bench = Bench()
    bench.put(1, _meta={"progressToken": "theirs"})
    bench.put(2)
    await settle()
    for inquiry in bench.client.asked:
        inquiry.progress({"progressToken": 3, "progress": 1})
    params = {"progressToken": "theirs", "progress": 1}
    assert bench.said == [{"jsonrpc": "2.0", "method": "notifications/progress", "params": params}]
    assert bench.live.questions is not None
    await bench.live.questions.close()


@pytest.mark.spec("DW-242")
async def test_without_clients_nobody_is_asked() -> None:
    inquiry = Inquiry("bank", ALL, "s1", None, "roots/list", {}, 1.0, print)
    assert await NoClients().ask(inquiry) == RpcError(-32601, "Method not found")
    assert NoClients().client("s1") is None
