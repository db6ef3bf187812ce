"""Questions of servers to legacy clients: decided, recorded, carried to the client, and its answer back.

Each is a decision of its own, with its own outcome. Only the session that was asked can answer, and only
once; ids of questions that were never asked there are refused. A denial is on record once for each session,
server and kind: a server that asks in vain all day is no lever against the log.
"""

import asyncio
import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import msgspec

from doorward.audit.ids import uuid7
from doorward.audit.recorder import Recorder
from doorward.model.call import Answered, Call, Note, Outcome, RequestId, RpcError, Session
from doorward.model.errors import CallerError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.pipeline.trail import Trail
from doorward.ports.asks import Inquiry
from doorward.ports.streams import Streams
from doorward.wire import asking, jsonrpc, relocate_asked, strict
from doorward.wire.asking import Objection, Question

NOT_FOUND: Final = RpcError(-32601, "Method not found")
NOT_RECORDED: Final = RpcError(-32603, "this question could not be recorded, so it was not asked")
TOO_LATE: Final = RpcError(-32603, "the client did not answer in time")
FARE_WELL_S: Final = 1.0
"""How long a client that reads slowly may keep us from telling it that a question is withdrawn."""
MOST_NOTED: Final = 4096
"""Denials on record, ids that were answered, elicitations under way: the oldest are forgotten."""
MOST_PROGRESS: Final = 64
"""Notes of progress that one question may bring."""
PROGRESS: Final = "notifications/progress"
CANCELLED: Final = "notifications/cancelled"
COMPLETE: Final = "notifications/elicitation/complete"
ROOTS_CHANGED: Final = "notifications/roots/list_changed"
_OURS: Final = "dev.doorward/"
_REASONS: Final = {
    Objection.UNKNOWN: Reason.METHOD_NOT_FOUND,
    Objection.FORBIDDEN: Reason.ASK_NOT_ALLOWED,
    Objection.UNDECLARED: Reason.CAPABILITY_MISSING,
}
Key = tuple[str, int]
"""Session and the id under which it was asked."""


class _Waiting(msgspec.Struct, eq=False):
    """One question that a client has."""

    inquiry: Inquiry
    answer: asyncio.Future[Answered]
    progress: int = 0


class Asking:
    """Implements ports.Asks. One per process: what is asked outlives a reload."""

    def __init__(
        self,
        session: Callable[[str], Session | None],
        trail: Callable[[Call], Trail | None],
        streams: Streams,
        *,
        recorder: Callable[[], Recorder],
        roots_changed: Callable[[Session], None],
        reaches: Callable[[Principal, str], bool],
    ) -> None:
        """`session`: by id. `trail`: of a call in flight. `roots_changed`: told when a client says so.

        `reaches`: whether a principal may know of a server, by the rules of this moment.
        """
        self._session = session
        self._trail = trail
        self._streams = streams
        self._recorder = recorder
        self._roots_changed = roots_changed
        self._reaches = reaches
        self._ids = itertools.count(1)
        self._waiting: dict[Key, _Waiting] = {}
        self._over: OrderedDict[Key, None] = OrderedDict()
        """Asked and done with: an answer that comes too late is nobody's fault."""
        self._denied: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._elicited: OrderedDict[tuple[str, str], str] = OrderedDict()
        """By session and elicitationId: which server may say that it is complete."""

    def __len__(self) -> int:
        return len(self._waiting)

    def client(self, key: str) -> Session | None:
        """See ports.Asks."""
        return self._session(key)

    async def ask(self, inquiry: Inquiry) -> bytes | RpcError:
        """See ports.Asks."""
        session = self._session(inquiry.key)
        principal = None if session is None else session.holder
        if session is None or principal is None or not self._reaches(principal, inquiry.server):
            return NOT_FOUND
        question = Question(inquiry.method, inquiry.params)
        objection = asking.judge(question, session.capabilities, inquiry.may_ask, session.version)
        about = None if inquiry.call is None else self._trail(inquiry.call)
        try:
            if objection is not None:
                await self._deny(inquiry, session, principal, objection, about)
                return NOT_FOUND
            if not self._elicits(inquiry, session.id):
                return RpcError(-32602, "this elicitationId is in use")
            ask_id = uuid7()
            record = self._recorder().question(ask_id, principal, inquiry, session, about)
            deciding = asyncio.ensure_future(record)  # noqa: TID251 - nothing begins: it is asked how it ended
        except GatewayError:
            return NOT_RECORDED
        began = perf_counter()
        try:
            await deciding
        except GatewayError:
            return NOT_RECORDED
        except asyncio.CancelledError:
            if not deciding.done() or deciding.cancelled() or deciding.exception() is None:
                await self._settle(ask_id, principal, Outcome.CANCELLED, TOO_LATE, began)
            raise
        return await self._carry(ask_id, inquiry, session, principal)

    def elicited(self, key: str, server: str, elicitation: str) -> None:
        """See ports.Asks. An id that another server uses stays that one's."""
        if self._elicited.get((key, elicitation), server) == server:
            _remember(self._elicited, (key, elicitation), server)

    def note(self, note: Note) -> None:
        """What a client says that is about a question, or about its roots.

        Raises CallerError(ANSWER_UNKNOWN) for an answer to what this session was never asked.
        """
        if note.session is None:
            return
        if note.answer is not None:
            self._answered(note.session.id, note.answer)
        elif note.method == PROGRESS:
            self._progressed(note.session.id, note.params)
        elif note.method == ROOTS_CHANGED:
            self._roots_changed(note.session)

    def completed(self, server: str, key: str | None, params: dict[str, Any]) -> None:
        """A server says that what a user did elsewhere is done: only about its own elicitation."""
        elicitation = params.get("elicitationId")
        if (
            key is not None
            and isinstance(elicitation, str)
            and self._elicited.get((key, elicitation)) == server
        ):
            del self._elicited[key, elicitation]
            self._streams.push(key, jsonrpc.encode_notification(COMPLETE, {"elicitationId": elicitation}))

    def end(self, session_id: str) -> None:
        """The session is over: nobody is left to answer."""
        for key, waiting in list(self._waiting.items()):
            if key[0] == session_id and not waiting.answer.done():
                gone = RpcError(-32603, "the client has gone")
                waiting.answer.set_result(Answered(key[1], None, gone))

    async def _carry(
        self, ask_id: str, inquiry: Inquiry, session: Session, principal: Principal
    ) -> bytes | RpcError:
        began, number = perf_counter(), next(self._ids)
        waiting = _Waiting(inquiry, asyncio.get_running_loop().create_future())
        self._waiting[session.id, number] = waiting
        told: bytes | RpcError = TOO_LATE
        outcome, answered = Outcome.TIMEOUT, False
        try:
            async with asyncio.timeout(inquiry.within):
                if await self._deliver(inquiry, session.id, _request(inquiry, number, session.endpoint)):
                    answer = await waiting.answer
                    told, outcome = _told(answer, inquiry.server, session.endpoint)
                else:
                    told, outcome = RpcError(-32603, "the client cannot be asked now"), Outcome.UNREACHABLE
                answered = True
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            outcome = Outcome.CANCELLED
            raise
        finally:
            del self._waiting[session.id, number]
            _remember(self._over, (session.id, number), None)
            try:
                if not answered:
                    await self._withdraw(inquiry, session.id, number)
            finally:  # whoever is cancelled once more while he says goodbye
                await self._settle(ask_id, principal, outcome, told, began)
        return told

    async def _settle(
        self, ask_id: str, principal: Principal, outcome: Outcome, told: bytes | RpcError, began: float
    ) -> None:
        recorder = self._recorder()
        try:
            await recorder.outcome(
                ask_id, principal, outcome, result=told if isinstance(told, bytes) else None,
                error_code=told.code if isinstance(told, RpcError) else None,
                total_s=perf_counter() - began,
            )  # fmt: skip
        except GatewayError:  # the log has failed, and readiness says so
            recorder.forsake()

    async def _deliver(self, inquiry: Inquiry, session_id: str, message: bytes) -> bool:
        call = inquiry.call
        if call is None:
            return self._streams.push(session_id, message)
        if call.events is None:
            return False
        await call.events.emit(message)
        return True

    async def _withdraw(self, inquiry: Inquiry, session_id: str, number: int) -> None:
        params = {"requestId": number, "reason": "no answer is needed any more"}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FARE_WELL_S):
                await self._deliver(inquiry, session_id, jsonrpc.encode_notification(CANCELLED, params))

    async def _deny(
        self,
        inquiry: Inquiry,
        session: Session,
        principal: Principal,
        objection: Objection,
        about: Trail | None,
    ) -> None:
        key = (session.id, inquiry.server, f"{objection} {asking.KINDS.get(inquiry.method)}")
        if key not in self._denied:
            _remember(self._denied, key, None)
            reason = _REASONS[objection]
            await self._recorder().question(uuid7(), principal, inquiry, session, about, refused=reason)

    def _elicits(self, inquiry: Inquiry, session_id: str) -> bool:
        """Whether the id of an elicitation, if it has one, is free or this server's own."""
        elicitation = inquiry.params.get("elicitationId")
        if not isinstance(elicitation, str):
            return True
        if self._elicited.get((session_id, elicitation), inquiry.server) != inquiry.server:
            return False
        _remember(self._elicited, (session_id, elicitation), inquiry.server)
        return True

    def _answered(self, session_id: str, answer: Answered) -> None:
        number = answer.id
        waiting = self._waiting.get((session_id, number)) if type(number) is int else None
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_result(answer)
        elif waiting is None and (session_id, number) not in self._over:
            raise CallerError(Reason.ANSWER_UNKNOWN, "nothing of this id was asked in this session")

    def _progressed(self, session_id: str, params: dict[str, Any]) -> None:
        number = params.get("progressToken")
        waiting = self._waiting.get((session_id, number)) if type(number) is int else None
        if waiting is not None and waiting.progress < MOST_PROGRESS:
            waiting.progress += 1
            waiting.inquiry.progress(params)


def _request(inquiry: Inquiry, number: int, endpoint: str | None) -> bytes:
    """Under our id and progress token. A server may not sign as we do, and tasks are not offered."""
    params = {name: value for name, value in inquiry.params.items() if name not in ("_meta", "task")}
    if endpoint is None:
        params = relocate_asked.question(inquiry.server, inquiry.method, params)
    meta = inquiry.params.get("_meta")
    if isinstance(meta, dict):
        kept = {name: value for name, value in meta.items() if not name.startswith(_OURS)}
        if "progressToken" in kept:
            kept["progressToken"] = number
        params["_meta"] = kept
    return jsonrpc.encode_request(number, inquiry.method, params)


def _told(answer: Answered, server: str, endpoint: str | None) -> tuple[bytes | RpcError, Outcome]:
    if answer.error is not None:
        return answer.error, Outcome.FAILED
    result = answer.result or {}
    return strict.encode(relocate_asked.answer(server, result) if endpoint is None else result), Outcome.OK


def _remember(known: OrderedDict[Any, Any], key: tuple[RequestId, ...], value: object) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MOST_NOTED:
        known.popitem(last=False)
