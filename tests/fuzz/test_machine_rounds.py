"""Rounds of one call and questions in the middle of one, in any order: a state opens for its own call only,
and comes back to its server byte for byte; each question has one answer, and no more wait than may."""

import asyncio
import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, rule

from doorward.model.call import Era, RpcError, Session
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Permit
from doorward.ports.asks import Inquiry
from doorward.upstream import rounds as module
from doorward.upstream.live import Live
from doorward.upstream.questions import AT_ONCE, MOST, Questions
from doorward.upstream.rounds import STATE_S, OwnKey, Rounds
from doorward.upstream.settings import ServerSettings
from doorward.wire.jsonrpc import UpstreamRequest
from tests.attack import hostile_server
from tests.fuzz.machine import Machine, bounded, finds
from tests.unit.upstream.test_questions import CALL, FORMS

SERVERS = [ServerSettings(name=name, url=f"http://127.0.0.1:1/{name}") for name in ("lab", "other")]
TEXT = st.text(max_size=12) | st.sampled_from(['{"a":1.50}', "\x00", "\u20ac", "\\u0041"])


class RoundsMachine(Machine):
    """Two servers, two agents, two tools, two sets of arguments; what was sealed for what is kept beside."""

    seals = Bundle("seals")

    @initialize()
    def build(self) -> None:
        self.now = 1_000.0
        key = OwnKey()
        self.rounds = [Rounds(server, key, lambda: self.now) for server in SERVERS]
        self.sealed: dict[str, tuple[tuple[Any, ...], str, float]] = {}

    def permit(self, agent: str, tool: str, arguments: dict[str, Any], **params: Any) -> Permit:
        given = {"name": tool, "arguments": arguments, **params}
        made = hostile_server.permit(era=Era.MODERN, params=given, agent=agent)
        return msgspec.structs.replace(made, target=Target("lab", Kind.TOOL, tool, OperationClass.WRITE))

    BY = {  # noqa: RUF012 - Hypothesis reads it as the keywords of rules
        "at": st.integers(0, 1),
        "agent": st.sampled_from(["ann", "bob"]),
        "tool": st.sampled_from(["pay", "read"]),
        "arguments": st.sampled_from([{}, {"n": 1}, {"n": 1.0}, {"n": "1"}]),
    }

    @rule(target=seals, state=TEXT, **BY)
    def ask(self, at: int, agent: str, tool: str, arguments: dict[str, Any], state: str) -> str:
        said = json.dumps({"resultType": "input_required", "requestState": state, "x": 1})
        result = self.rounds[at].incoming(self.permit(agent, tool, arguments), said.encode())
        members = json.loads(result)
        assert members == {"resultType": "input_required", "requestState": members["requestState"], "x": 1}
        token: str = members["requestState"]
        assert len(state) < 8 or state not in token
        assert token not in self.sealed
        self.sealed[token] = ((at, agent, tool, json.dumps(arguments)), state, self.now)
        return token

    @rule(token=seals, **BY)
    def come_again(self, token: str, at: int, agent: str, tool: str, arguments: dict[str, Any]) -> None:
        bound, state, since = self.sealed[token]
        permit = self.permit(agent, tool, arguments, requestState=token, inputResponses={})
        params = dict(permit.call.params)
        mine = bound == (at, agent, tool, json.dumps(arguments)) and self.now - since <= STATE_S
        try:
            self.rounds[at].outgoing(permit, params, Era.MODERN)
        except CallerError as error:
            refused: Reason | None = error.reason
        else:
            refused = None
            assert params["requestState"] == state
        assert refused is (None if mine else Reason.REQUEST_STATE_INVALID)

    @rule(token=seals, spot=st.integers(0, 200), piece=st.sampled_from(["", "A", "=", "\u00e9", "AAAA", " "]))
    def forge(self, token: str, spot: int, piece: str) -> None:
        forged = token[: spot % len(token)] + piece + token[spot % len(token) + 1 :]
        if forged in self.sealed:
            return
        (at, agent, tool, arguments), _, _ = self.sealed[token]
        permit = self.permit(agent, tool, json.loads(arguments), requestState=forged)
        with pytest.raises(CallerError):
            self.rounds[at].outgoing(permit, dict(permit.call.params), Era.MODERN)

    @rule(seconds=st.sampled_from([1.0, STATE_S / 2, STATE_S + 2]))
    def wait(self, seconds: float) -> None:
        self.now += seconds


class Client:
    """Implements ports.Asks; answers what the machine lets it."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[bytes | RpcError]] = []

    def client(self, key: str) -> Session | None:
        return Session(key, "o", "bank", "2025-11-25", FORMS, {})

    async def ask(self, inquiry: Inquiry) -> bytes | RpcError:
        answer: asyncio.Future[bytes | RpcError] = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        try:
            return await answer
        finally:
            self.waiting.remove(answer)


class QuestionsMachine(Machine):
    """One call and one session beside it; the server asks, repeats itself, takes back, and the call ends."""

    @initialize()
    def build(self) -> None:
        self.client = Client()
        self.dropped: Counter[str] = Counter()
        self.questions = Questions("bank", ("elicitation",), self.client, self.dropped)
        self.live = Live("bank", 7, "tools/call", CALL, 1e9)
        self.due = self.live.deadline
        self.asked: Counter[int | str] = Counter()
        self.withdrawn = 0
        self.said: Counter[int | str] = Counter()

    def say(self, message: bytes) -> None:
        told = json.loads(message)
        assert ("result" in told) != ("error" in told)
        self.said[told["id"]] += 1

    IDS = st.sampled_from([1, "1", 2, "x"]) | st.integers(3, 60)

    @rule(request_id=IDS, stray=st.booleans())
    def put(self, request_id: int | str, stray: bool) -> None:
        async def put() -> None:
            live = None if stray else self.live
            request = UpstreamRequest(request_id, "elicitation/create", {"message": "?"})
            self.questions.put(request, "s1", live, live, self.say)

        self.asked[request_id] += 1
        self.run(put())
        self.settle()

    @rule(at=st.integers(0, 7), good=st.booleans())
    def answer(self, at: int, good: bool) -> None:
        if self.client.waiting:
            chosen = self.client.waiting[at % len(self.client.waiting)]
            chosen.set_result(b'{"action":"accept"}' if good else RpcError(-1, "no"))
            self.settle()

    @rule(request_id=IDS | st.sampled_from([None, [], {}, 1.5, True]), stray=st.booleans())
    def withdraw(self, request_id: Any, stray: bool) -> None:
        live = None if stray else self.live
        self.withdrawn += self.questions.withdrawn("s1", live, {"requestId": request_id})
        self.settle()

    @rule()
    def end_the_call(self) -> None:
        async def end() -> None:
            if self.live.questions is not None:
                await self.live.questions.close()

        waited = len(self.live.questions) if self.live.questions is not None else 0
        self.run(end())
        self.withdrawn += waited
        self.settle()

    @invariant()
    def as_promised(self) -> None:
        if not hasattr(self, "client"):
            return
        waiting = len(self.client.waiting)
        of_call = self.live.questions
        assert waiting <= 2 * AT_ONCE
        assert of_call is None or (len(of_call) <= AT_ONCE and of_call.count <= MOST)
        answered = sum(self.said.values())
        assert sum(self.asked.values()) == answered + waiting + self.withdrawn
        assert all(self.said[one] <= self.asked[one] for one in self.said)
        if of_call is None or not len(of_call):
            assert self.live.deadline < 2e9  # its clock goes on
        else:
            assert self.live.deadline > 1e9  # its clock stands still

    def finish(self) -> None:
        if hasattr(self, "client"):
            self.end_the_call()
            self.run(self.questions.close())
            self.settle()
            assert self.client.waiting == []


TestRounds = RoundsMachine.TestCase
TestRounds.settings = bounded(50, 30)
TestQuestions = QuestionsMachine.TestCase
TestQuestions.settings = bounded(50, 40)


def test_a_seal_that_forgets_whose_it_is_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Rounds._bound
    monkeypatch.setattr(
        Rounds, "_bound", lambda self, permit: msgspec.structs.replace(honest(self, permit), owner="")
    )
    finds(RoundsMachine)


def test_a_seal_that_never_expires_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STATE_S", 1e12)
    finds(RoundsMachine)


def test_a_flood_without_a_bound_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.upstream.questions.AT_ONCE", 1000)
    finds(QuestionsMachine)
