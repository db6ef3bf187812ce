"""Sessions against a model of them, and a legacy client's whole life at the door: each request has one
answer, its own, whatever order things happen in."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, rule

from doorward.backends.memory.sessions import MemorySessions
from doorward.model.call import Outcome, Reply, Session
from doorward.model.errors import CallerError, GatewayError
from doorward.model.principal import Principal
from doorward.model.verdict import Permit
from doorward.pipeline.inflight import InFlight
from doorward.pipeline.rescue import Answer
from doorward.wire import jsonrpc
from tests.fuzz.machine import Machine, bounded, finds
from tests.playbook import house
from tests.playbook.house import Caller, House

PEOPLE = [Principal("t", name, agent, "key", "k") for name in ("ann", "bob") for agent in ("a", "b")]
ENDPOINTS = st.sampled_from([None, "files", "git"])
WHO = st.sampled_from(PEOPLE)
IDLE_S, PER_OWNER, IN_TOTAL = 100.0, 3, 7


class SessionsMachine(Machine):
    """What is open, to whom it belongs and when it was used is kept twice."""

    opened = Bundle("opened")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.known: dict[str, tuple[Principal, str | None, float]] = {}
        self.ended: list[str] = []
        self.sessions = MemorySessions(
            idle_s=IDLE_S,
            per_owner=PER_OWNER,
            in_total=IN_TOTAL,
            closed=lambda session: self.ended.append(session.id),
            clock=lambda: self.now,
        )

    def forget(self) -> None:
        """The model follows what it is told has ended: each once."""
        for session_id in self.ended:
            del self.known[session_id]
        self.ended.clear()

    @rule(target=opened, who=WHO, endpoint=ENDPOINTS)
    def open(self, who: Principal, endpoint: str | None) -> Any:
        others = {one for one, (owner, _, _) in self.known.items() if owner.owner != who.owner}
        mine = sum(owner.owner == who.owner for owner, _, _ in self.known.values())
        try:
            session = self.sessions.open(who, endpoint, "2025-11-25", {}, {})
        except GatewayError:
            assert len(self.known) - (mine >= PER_OWNER) >= IN_TOTAL
            self.forget()
            return multiple()
        gone = set(self.ended)
        assert all(self.now - self.known[one][2] > IDLE_S for one in gone & others)
        assert session.id not in self.known
        self.forget()
        self.known[session.id] = (who, endpoint, self.now)
        return session.id

    @rule(session_id=opened | st.text(max_size=3), who=WHO, endpoint=ENDPOINTS)
    def get(self, session_id: str, who: Principal, endpoint: str | None) -> None:
        owner, where, used = self.known.get(session_id, (None, None, 0.0))
        mine = owner is not None and owner.owner == who.owner and where == endpoint
        try:
            found: Session | None = self.sessions.get(session_id, who, endpoint)
        except CallerError:
            found = None
        assert (found is not None) is (mine and self.now - used <= IDLE_S)
        self.forget()
        if found is not None:
            self.known[session_id] = (who, where, self.now)

    @rule(session_id=opened)
    def close(self, session_id: str) -> None:
        self.sessions.close(session_id)
        assert self.ended == ([session_id] if session_id in self.known else [])
        self.forget()

    @rule(used=st.lists(opened, max_size=2))
    def sweep(self, used: list[str]) -> None:
        self.sessions.sweep(used)
        late = {one for one, (_, _, at) in self.known.items() if self.now - at > IDLE_S and one not in used}
        assert set(self.ended) == late
        self.forget()
        for one in used:
            if one in self.known:
                self.known[one] = (*self.known[one][:2], self.now)

    @rule(seconds=st.sampled_from([1.0, 40.0, 101.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def as_many_as_are_known(self) -> None:
        assert len(self.sessions) == len(self.known) <= IN_TOTAL
        owners = [owner.owner for owner, _, _ in self.known.values()]
        assert all(owners.count(owner) <= PER_OWNER for owner in owners)


class DoorMachine(Machine):
    """Two principals, their sessions, and calls that hang until they are let, cancelled or ended."""

    clients = Bundle("clients")

    @initialize()
    def build(self) -> None:
        self.house = House()
        self.gate: dict[str, asyncio.Future[Any]] = {}
        self.running: list[tuple[Caller, Any, asyncio.Task[Answer]]] = []
        self.house.servers.script = self.answer

    async def answer(self, permit: Permit) -> Reply:
        tag = permit.call.params["arguments"]["tag"]
        self.gate[tag] = asyncio.get_running_loop().create_future()
        await self.gate[tag]
        text = json.dumps({"content": [{"type": "text", "text": tag}]})
        return Reply(text.encode(), None, Outcome.OK)

    @rule(target=clients, secret=st.sampled_from(["bot", "other"]), endpoint=st.sampled_from([None, "bank"]))
    def shake_hands(self, secret: str, endpoint: str | None) -> Caller:
        return self.run(house.legacy(self.house, endpoint=endpoint, secret=secret))

    @rule(client=clients, request_id=st.sampled_from([1, "1", 2]))
    def call(self, client: Caller, request_id: Any) -> None:
        tag = f"t{len(self.running)}"
        tool = "balance" if client.endpoint else "bank__balance"
        asking = client.ask("tools/call", {"name": tool, "arguments": {"tag": tag}}, id=request_id)
        self.running.append((client, (request_id, tag), self.loop.create_task(asking)))
        self.settle()

    @rule(at=st.integers(0, 5))
    def let(self, at: int) -> None:
        waiting = [future for future in self.gate.values() if not future.done()]
        if waiting:
            waiting[at % len(waiting)].set_result(None)
            self.settle()

    @rule(client=clients, request_id=st.sampled_from([1, "1", 2, None, [], True]))
    def cancel(self, client: Caller, request_id: Any) -> None:
        note = house.request("notifications/cancelled", {"requestId": request_id})
        said = self.run(
            self.house.send(note, headers=client.headers, endpoint=client.endpoint, secret=client.secret)
        )
        assert said.status == (404 if self.over(client) else 202)
        self.settle()

    @rule(client=clients)
    def end(self, client: Caller) -> None:
        session = self.house.sessions.find(client.headers[b"mcp-session-id"].decode())
        if session is not None:
            self.house.door.end_session(session)
            self.house.calls.end(session.id)
        self.settle()

    @rule(client=clients, thief=clients)
    def steal(self, client: Caller, thief: Caller) -> None:
        """Another principal with this session's id, or the same one at another endpoint."""
        if (client.secret, client.endpoint) == (thief.secret, thief.endpoint):
            return
        said = self.run(
            self.house.send(
                house.request("ping", id=9),
                headers=client.headers,
                endpoint=thief.endpoint,
                secret=thief.secret,
            )
        )
        assert house.error(said) == (404, -32600, "session_unknown")

    def over(self, client: Caller) -> bool:
        return self.house.sessions.find(client.headers[b"mcp-session-id"].decode()) is None

    @invariant()
    def every_answer_is_its_own(self) -> None:
        for client, (request_id, tag), task in getattr(self, "running", []):
            if not task.done():
                assert not self.over(client)
                continue
            said = house.body(task.result())
            assert said["id"] == request_id
            assert type(said["id"]) is type(request_id)
            if "result" in said:
                assert said["result"]["content"][0]["text"] == tag
            else:
                assert said["error"]["data"]["reason"] in (
                    "cancelled",
                    "duplicate_request_id",
                    "session_unknown",
                )
        if hasattr(self, "house"):
            open_ones = sum(not task.done() for _, _, task in self.running)
            assert len(self.house.calls) == open_ones

    def finish(self) -> None:
        if not hasattr(self, "house"):
            return
        for future in self.gate.values():
            if not future.done():
                future.set_result(None)
        self.settle()
        assert all(task.done() for _, _, task in self.running)
        outcomes = [one["call_id"] for one in self.house.log.kind("outcome")]
        assert len(outcomes) == len(set(outcomes))


TestSessions = SessionsMachine.TestCase
TestSessions.settings = bounded(60, 40)
TestDoor = DoorMachine.TestCase
TestDoor.settings = bounded(60, 25)


def test_a_session_that_changes_hands_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = MemorySessions.get

    def lie(self: MemorySessions, session_id: str, who: Principal, endpoint: str | None) -> Session:
        found = self.find(session_id)
        return honest(self, session_id, who, endpoint) if found is None else found

    monkeypatch.setattr(MemorySessions, "get", lie)
    finds(SessionsMachine)


def test_a_call_that_goes_on_after_its_session_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InFlight, "end", lambda *_: None)
    finds(DoorMachine)


def test_an_id_that_loses_its_type_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = jsonrpc.encode_result
    monkeypatch.setattr(jsonrpc, "encode_result", lambda number, result: honest(str(number), result))
    finds(DoorMachine)
