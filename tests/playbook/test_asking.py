"""A server asks the client in the middle of a call: who is asked, who may answer, and what is on record."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from doorward.model.call import Outcome, Reply, RpcError
from doorward.model.principal import Principal
from doorward.model.verdict import Permit
from doorward.pipeline.asking import MOST_PROGRESS, Asking
from doorward.pipeline.rescue import Answer
from doorward.ports.asks import Inquiry
from tests.playbook.house import Caller, House, error, request

pytestmark = [pytest.mark.asyncio]

ALL = ("elicitation", "sampling", "roots")
CAPABILITIES = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {"listChanged": True}}
FORM = {"message": "how much?", "requestedSchema": {"type": "object"}}


class Stream:
    """The caller's own stream; `answer` is what it does with what arrives."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.arrived = asyncio.Event()

    async def emit(self, message: bytes) -> None:
        self.got.append(json.loads(message))
        self.arrived.set()


class Streams:
    """Implements ports.Streams for what belongs to no call."""

    def __init__(self) -> None:
        self.pushed: list[tuple[str, dict[str, Any]]] = []
        self.open = True

    def listening(self) -> list[Any]:
        return []

    def listener(self, session_id: str) -> None:
        return None

    def push(self, session_id: str, message: bytes) -> bool:
        if self.open:
            self.pushed.append((session_id, json.loads(message)))
        return self.open


class Bank:
    """A server in whose tool is a question."""

    def __init__(
        self,
        *,
        may_ask: tuple[str, ...] = ALL,
        within: float = 5.0,
        reaches: Callable[[Principal, str], bool] | None = None,
    ) -> None:
        self.house = House()
        self.streams = Streams()
        self.roots: list[str] = []
        recorder = self.house.gateway.recorder._recorder  # type: ignore[attr-defined]
        self.asking = Asking(
            self.house.sessions.find,
            self.house.calls.trail,
            self.streams,
            recorder=lambda: recorder,
            roots_changed=lambda session: self.roots.append(session.id),
            reaches=reaches or self.house.offer.policy.reaches,
        )
        self.house.calls.others = self.asking.note
        self.house.servers.script = self.script
        self.may_ask, self.within = may_ask, within
        self.method, self.params = "elicitation/create", dict(FORM)
        self.progress: list[dict[str, Any]] = []
        self.told: list[bytes | RpcError] = []

    async def script(self, permit: Permit) -> Reply:
        session = permit.call.session
        assert session is not None
        said = await self.asking.ask(self.inquiry(session.id, permit))
        self.told.append(said)
        return Reply(b'{"content":[]}', None, Outcome.OK)

    def inquiry(self, key: str, permit: Permit | None = None) -> Inquiry:
        call = None if permit is None else permit.call
        return Inquiry(
            "bank", self.may_ask, key, call, self.method, self.params, self.within, self.progress.append
        )

    async def client(self, secret: str = "bot", capabilities: dict[str, Any] = CAPABILITIES) -> Caller:
        params = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "t"}}
        opened = await self.house.send(request("initialize", params, id=0), secret=secret)
        headers = {b"mcp-session-id": dict(opened.headers)[b"mcp-session-id"]}
        self.house.forget()
        return Caller(self.house, headers, modern=False, endpoint="bank", secret=secret)

    def call(self, caller: Caller, stream: Stream | None) -> asyncio.Task[Answer]:
        message = request("tools/call", {"name": "balance", "arguments": {}}, id=1)
        sent = self.house.send(message, headers=caller.headers, secret=caller.secret, events=stream)
        return asyncio.create_task(sent)

    async def answer(self, caller: Caller, message: dict[str, Any]) -> Answer:
        return await self.house.send(
            {"jsonrpc": "2.0", **message}, headers=caller.headers, secret=caller.secret, endpoint="bank"
        )

    def questions(self) -> list[dict[str, Any]]:
        return [one for one in self.house.log.kind("decision") if one["mcp"].get("kind") == "question"]


@pytest.mark.spec("DW-241")
async def test_the_caller_is_asked_on_its_stream_and_its_answer_comes_back_exact() -> None:
    bank = Bank()
    caller, stream = await bank.client(), Stream()
    call = bank.call(caller, stream)
    await stream.arrived.wait()
    asked = stream.got[0]
    assert (asked["method"], asked["params"]) == ("elicitation/create", FORM)
    body = b'{"jsonrpc":"2.0","id":%d,"result":{"n":12345678901234567890,"x":1.5}}' % asked["id"]
    accepted = await bank.house.send(body, headers=caller.headers)
    assert (accepted.status, accepted.body) == (202, b"")
    assert json.loads((await call).body)["result"] == {"content": []}
    assert bank.told == [b'{"n":12345678901234567890,"x":1.5}']


@pytest.mark.spec("DW-249")
async def test_a_question_has_its_own_decision_and_outcome() -> None:
    bank = Bank()
    caller, stream = await bank.client(), Stream()
    call = bank.call(caller, stream)
    await stream.arrived.wait()
    assert [one["kind"] for one in bank.house.log.records] == ["decision", "decision"]  # before it is asked
    await bank.answer(caller, {"id": stream.got[0]["id"], "result": {"action": "decline"}})
    await call
    of_call, of_question = bank.house.log.kind("decision")
    assert of_question["during"] == of_call["id"]
    assert of_question["actor"]["agent"] == "ci-bot"
    assert of_question["decision"]["effect"] == "permit"
    assert of_question["mcp"]["server"] == "bank"
    assert of_question["mcp"]["method"] == "elicitation/create"
    assert of_question["args"]["names"] == ["message", "requestedSchema"]
    assert "how much" not in json.dumps(of_question)
    outcomes = {one["call_id"]: one["result"] for one in bank.house.log.kind("outcome")}
    assert outcomes[of_question["id"]]["outcome"] == "ok"
    assert outcomes[of_question["id"]]["hmac"]
    assert set(outcomes) == {of_call["id"], of_question["id"]}


@pytest.mark.spec("DW-249")
async def test_without_its_record_nothing_is_asked() -> None:
    bank = Bank()
    caller, stream = await bank.client(), Stream()
    done = asyncio.Event()

    async def script(permit: Permit) -> Reply:
        bank.house.log.broken.add("decision")
        reply = await bank.script(permit)
        bank.house.log.broken.clear()
        done.set()
        return reply

    bank.house.servers.script = script
    await bank.call(caller, stream)
    assert stream.got == []
    assert isinstance(bank.told[0], RpcError)
    assert bank.told[0].code == -32603


@pytest.mark.spec("DW-246")
@pytest.mark.parametrize("method", ["elicitation/create", "sampling/createMessage", "roots/list"])
async def test_what_the_operator_forbids_is_on_record_once(method: str) -> None:
    bank = Bank(may_ask=())
    bank.method = method
    caller, stream = await bank.client(), Stream()
    for _ in range(3):
        await bank.call(caller, stream)
    assert stream.got == []
    assert [said.code for said in bank.told if isinstance(said, RpcError)] == [-32601] * 3
    (denied,) = bank.questions()
    assert denied["decision"]["effect"] == "deny"
    assert denied["decision"]["reason"] == "ask_not_allowed"


@pytest.mark.spec("DW-242", "DW-245")
async def test_what_the_client_cannot_answer_is_not_asked() -> None:
    bank = Bank()
    caller, stream = await bank.client(capabilities={"roots": {}}), Stream()
    await bank.call(caller, stream)
    assert stream.got == []
    assert bank.questions()[0]["decision"]["reason"] == "capability_missing"


@pytest.mark.spec("DW-033", "DW-248")
@pytest.mark.parametrize("number", [None, "1", 99, -1, 1.0, True])
async def test_an_answer_to_nothing_is_refused(number: Any) -> None:
    bank = Bank()
    caller = await bank.client()
    message = {"id": number, "result": {}} if number is not None else {"error": {"code": 1, "message": "x"}}
    answer = await bank.answer(caller, message)
    assert answer.status == 400
    assert error(answer)[2] in ("answer_unknown", "invalid_request")


@pytest.mark.spec("DW-248")
async def test_another_session_cannot_answer() -> None:
    bank = Bank()
    caller, stream = await bank.client(), Stream()
    same, other = await bank.client(), await bank.client("other")
    call = bank.call(caller, stream)
    await stream.arrived.wait()
    number = stream.got[0]["id"]
    for stranger in (same, other):
        answer = await bank.answer(stranger, {"id": number, "result": {"action": "accept"}})
        assert error(answer) == (400, -32600, "answer_unknown")
    forged = Caller(bank.house, caller.headers, modern=False, endpoint="bank", secret="other")
    assert error(await bank.answer(forged, {"id": number, "result": {}}))[2] == "session_unknown"
    as_text = await bank.answer(caller, {"id": str(number), "result": {}})
    assert error(as_text)[2] == "answer_unknown"
    assert bank.told == []
    await bank.answer(caller, {"id": number, "result": {"action": "cancel"}})
    await call
    assert bank.told == [b'{"action":"cancel"}']
    late = await bank.answer(caller, {"id": number, "result": {"action": "accept"}})
    assert late.status == 202  # too late is nobody's fault, and changes nothing
    assert len(bank.told) == 1


@pytest.mark.spec("DW-242")
async def test_a_client_that_does_not_answer_is_told_that_it_need_not() -> None:
    bank = Bank(within=0.05)
    caller, stream = await bank.client(), Stream()
    await bank.call(caller, stream)
    assert isinstance(bank.told[0], RpcError)
    assert "in time" in bank.told[0].message
    asked, withdrawn = stream.got
    assert withdrawn["method"] == "notifications/cancelled"
    assert withdrawn["params"]["requestId"] == asked["id"]
    outcomes = [one["result"]["outcome"] for one in bank.house.log.kind("outcome")]
    assert outcomes == ["timeout", "ok"]
    assert len(bank.asking) == 0


@pytest.mark.spec("DW-248")
async def test_a_cancelled_call_withdraws_its_question() -> None:
    bank = Bank()
    caller, stream = await bank.client(), Stream()
    call = bank.call(caller, stream)
    await stream.arrived.wait()
    await bank.answer(caller, {"method": "notifications/cancelled", "params": {"requestId": 1}})
    await call
    assert [one["method"] for one in stream.got] == ["elicitation/create", "notifications/cancelled"]
    assert {one["result"]["outcome"] for one in bank.house.log.kind("outcome")} == {"cancelled"}
    assert len(bank.asking) == 0


@pytest.mark.spec("DW-248")
async def test_a_session_that_ends_answers_nothing_more() -> None:
    bank = Bank()
    caller = await bank.client()
    session = caller.headers[b"mcp-session-id"].decode()
    asked = asyncio.create_task(bank.asking.ask(bank.inquiry(session)))
    while not bank.streams.pushed:  # noqa: ASYNC110 - the log takes a turn
        await asyncio.sleep(0)
    bank.asking.end(session)
    said = await asked
    assert isinstance(said, RpcError)
    assert said.message == "the client has gone"


@pytest.mark.spec("DW-250")
async def test_what_belongs_to_no_call_goes_to_the_sessions_stream() -> None:
    bank = Bank()
    caller = await bank.client()
    session = caller.headers[b"mcp-session-id"].decode()
    bank.method, bank.params = "roots/list", {}
    bank.streams.open = False
    said = await bank.asking.ask(bank.inquiry(session))
    assert isinstance(said, RpcError)  # nobody listens: nothing hangs
    bank.streams.open = True
    asked = asyncio.create_task(bank.asking.ask(bank.inquiry(session)))
    while not bank.streams.pushed:  # noqa: ASYNC110 - the log takes a turn
        await asyncio.sleep(0)
    to, message = bank.streams.pushed[0]
    assert to == session
    await bank.answer(caller, {"id": message["id"], "result": {"roots": []}})
    assert await asked == b'{"roots":[]}'
    assert "during" not in bank.questions()[-1]


@pytest.mark.spec("DW-242")
async def test_nobody_is_asked_in_a_conversation_without_a_session() -> None:
    bank = Bank()
    said = await bank.asking.ask(bank.inquiry("default|anna|ci-bot"))
    assert isinstance(said, RpcError)
    assert said.code == -32601
    assert bank.house.log.records == []


@pytest.mark.spec("DW-246")
async def test_a_server_that_a_principal_may_not_know_of_asks_it_nothing() -> None:
    bank = Bank()
    caller = await bank.client()
    session = caller.headers[b"mcp-session-id"].decode()
    theirs = Inquiry("files", ALL, session, None, bank.method, bank.params, 1.0, bank.progress.append)
    assert await bank.asking.ask(theirs) == RpcError(-32601, "Method not found")
    assert bank.streams.pushed == []
    assert bank.house.log.records == []


@pytest.mark.spec("DW-241")
async def test_a_large_answer_arrives_exact() -> None:
    bank = Bank()
    caller, stream = await bank.client(), Stream()
    call = bank.call(caller, stream)
    await stream.arrived.wait()
    result = b'{"content":{"type":"text","text":"%b"},"n":1.50,"big":[%b]}' % (
        b"x" * 300_000,
        b"1.0," * 9_999 + b"7",
    )
    answer = b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (stream.got[0]["id"], result)
    assert (await bank.house.send(answer, headers=caller.headers)).status == 202
    await call
    assert isinstance(bank.told[0], bytes)
    assert json.loads(bank.told[0]) == json.loads(result)
    assert b"1.0,1.0" in bank.told[0]


@pytest.mark.spec("DW-242")
async def test_a_call_without_a_stream_asks_nobody() -> None:
    bank = Bank()
    await bank.call(await bank.client(), None)
    assert isinstance(bank.told[0], RpcError)
    assert bank.told[0].code == -32603


@pytest.mark.spec("DW-147")
async def test_our_own_token_and_no_signature_of_ours() -> None:
    bank = Bank()
    bank.params = FORM | {"task": {"ttl": 1}, "_meta": {"progressToken": "t", "dev.doorward/x": 1, "a": 2}}
    caller, stream = await bank.client(), Stream()
    call = bank.call(caller, stream)
    await stream.arrived.wait()
    asked = stream.got[0]
    assert asked["params"] == FORM | {"_meta": {"progressToken": asked["id"], "a": 2}}
    progress = {"progressToken": asked["id"], "progress": 1}
    for _ in range(MOST_PROGRESS + 5):
        await bank.answer(caller, {"method": "notifications/progress", "params": progress})
    await bank.answer(caller, {"method": "notifications/progress", "params": {"progressToken": 77}})
    assert bank.progress == [progress] * MOST_PROGRESS
    await bank.answer(caller, {"id": asked["id"], "error": {"code": -1, "message": "no"}})
    await call
    assert bank.told == [RpcError(-1, "no", None)]


@pytest.mark.spec("DW-251")
async def test_only_the_server_that_asked_says_that_a_url_was_visited() -> None:
    bank = Bank()
    bank.params = {"mode": "url", "url": "https://example.com", "message": "go", "elicitationId": "e1"}
    caller, stream = await bank.client(), Stream()
    session = caller.headers[b"mcp-session-id"].decode()
    call = bank.call(caller, stream)
    await stream.arrived.wait()
    await bank.answer(caller, {"id": stream.got[0]["id"], "result": {"action": "accept"}})
    await call
    for server, key, params in [
        ("files", session, {"elicitationId": "e1"}),
        ("bank", "other", {"elicitationId": "e1"}),
        ("bank", session, {"elicitationId": "e2"}),
        ("bank", None, {"elicitationId": "e1"}),
        ("bank", session, {"elicitationId": 1}),
    ]:
        bank.asking.completed(server, key, params)
    assert bank.streams.pushed == []
    bank.asking.completed("bank", session, {"elicitationId": "e1", "more": 1})
    bank.asking.completed("bank", session, {"elicitationId": "e1"})
    params = {"elicitationId": "e1"}
    assert [(to, one["params"]) for to, one in bank.streams.pushed] == [(session, params)]


@pytest.mark.spec("DW-251")
async def test_an_elicitation_of_another_server_is_not_taken_over() -> None:
    bank = Bank(reaches=lambda *_: True)
    caller = await bank.client()
    session = caller.headers[b"mcp-session-id"].decode()
    bank.params = {"mode": "url", "url": "https://example.com", "message": "go", "elicitationId": "e1"}
    bank.within = 0.01
    bank.streams.open = False
    await bank.asking.ask(bank.inquiry(session))
    theirs = Inquiry("files", ALL, session, None, bank.method, bank.params, 1.0, bank.progress.append)
    assert await bank.asking.ask(theirs) == RpcError(-32602, "this elicitationId is in use")


@pytest.mark.spec("DW-251")
async def test_a_url_that_an_error_names_is_completed_by_its_own_server() -> None:
    bank = Bank()
    session = (await bank.client()).headers[b"mcp-session-id"].decode()
    bank.asking.elicited(session, "bank", "e1")
    bank.asking.elicited(session, "files", "e1")  # not its own any more
    bank.asking.completed("files", session, {"elicitationId": "e1"})
    assert bank.streams.pushed == []
    bank.asking.completed("bank", session, {"elicitationId": "e1"})
    assert [one["params"] for _, one in bank.streams.pushed] == [{"elicitationId": "e1"}]


@pytest.mark.spec("DW-252")
async def test_changed_roots_are_said_on() -> None:
    bank = Bank()
    caller = await bank.client()
    answer = await bank.answer(caller, {"method": "notifications/roots/list_changed"})
    assert answer.status == 202
    assert bank.roots == [caller.headers[b"mcp-session-id"].decode()]
