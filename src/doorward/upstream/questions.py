"""What a legacy server asks of its client in the middle of a call.

It cannot go on before it has its answer, and a person may have to give it: so the clock of the call stands
still meanwhile, and the question has limits of its own. How many a call may bring, and how long it may wait
for all of them together, is bounded: a server that floods its client gets errors.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from doorward.model.call import Era, RequestId, RpcError, Session
from doorward.model.reasons import Reason
from doorward.ports.asks import Asks, Inquiry
from doorward.upstream import keys
from doorward.upstream.bridging import ended
from doorward.upstream.live import Live
from doorward.upstream.waiting import Timed, Waiting
from doorward.wire import asking, extensions, jsonrpc, versions
from doorward.wire.asking import Question

MOST: Final = 32
"""Questions of one call."""
AT_ONCE: Final = 8
"""Questions of one call, or of one conversation outside of any call, that wait at the same time."""
METHOD_NOT_FOUND: Final = -32601
INTERNAL_ERROR: Final = -32603
_EVERYTHING: Final[dict[str, Any]] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}, "context": {}},
    "roots": {},
}

Say = Callable[[bytes], None]


class NoClients:
    """Implements ports.Asks where nobody can be asked anything."""

    def client(self, key: str) -> Session | None:
        return None

    async def ask(self, inquiry: Inquiry) -> bytes | RpcError:
        return RpcError(METHOD_NOT_FOUND, "Method not found")

    def elicited(self, key: str, server: str, elicitation: str) -> None:
        return None


class Questions:
    """Of one server, for all its conversations."""

    def __init__(self, server: str, may_ask: tuple[str, ...], asks: Asks, dropped: Counter[str]) -> None:
        self._server = server
        self._may_ask = may_ask
        self._asks = asks
        self._dropped = dropped
        self._strays: dict[str, Waiting] = {}
        """By conversation: those that belong to no call."""

    def declared(self, key: str | None) -> dict[str, Any]:
        """What the client of a conversation can be asked, as far as it may be.

        Ours (None), in which no call is made, has all that may be asked: some servers list what asks their
        client only to those who can be asked.
        """
        if not self._may_ask:
            return {}
        if key is None:
            return asking.declared(_EVERYTHING, self._may_ask, versions.LATEST_LEGACY)
        client = self._asks.client(key)
        if client is None:
            return keys.declared_in(key)
        return asking.declared(client.capabilities, self._may_ask, client.version)

    def apart(self, key: str | None) -> bool:
        """Whether its callers have no session, and so no stream but those of their calls: callers of
        2026-07-28. What a server asks them has to end their call, wherever it is asked. Where nobody can be
        asked at all there are no such callers either."""
        clients = not isinstance(self._asks, NoClients)
        return clients and key is not None and self._asks.client(key) is None

    def introduced(self, key: str | None) -> dict[str, Any]:
        """The capabilities that a conversation is opened with: the same, and what passes of extensions."""
        client = None if key is None else self._asks.client(key)
        return self.declared(key) | ({} if client is None else extensions.passed(client.capabilities))

    def put(
        self,
        request: jsonrpc.UpstreamRequest,
        key: str | None,
        live: Live | None,
        timed: Timed | None,
        say: Say,
    ) -> None:
        """Carry a question to the client, who answers some time; `say` takes what the server then gets.

        Raises CallerError(CAPABILITY_MISSING) or UpstreamError(BRIDGE_UNSUPPORTED) when the call itself is of
        another era: it cannot be ended then.
        """
        call = live.call if live is not None else None
        question = Question(request.method, request.params or {})
        if call is not None and call.era is Era.MODERN:
            say(refusal(request.id))
            self._dropped["request to the client"] += 1
            end = ended(self._server, question, call, self._may_ask)
            if end is not None:
                raise end
            return
        if key is None or not self._may_ask:
            say(refusal(request.id))
            self._dropped["request to the client"] += 1
            return
        if live is None and self.apart(key):
            say(refusal(request.id, self._why_not(question, key)))
            self._dropped["request to the client"] += 1
            return
        waiting = self._waiting(key, live, timed)
        if (
            waiting.knows(request.id)
            or len(waiting) >= AT_ONCE
            or waiting.count >= MOST
            or waiting.left_s <= 0
        ):
            self._dropped["question too many"] += 1
            say(jsonrpc.encode_error(request.id, INTERNAL_ERROR, "too many questions about one call"))
            return
        inquiry = Inquiry(
            self._server, self._may_ask, key, call, request.method, question.params, waiting.left_s,
            _progress(question.params, say),
        )  # fmt: skip
        asked = self._ask(request.id, inquiry, waiting, say)
        waiting.begin(request.id, asyncio.get_running_loop().create_task(asked))

    def withdrawn(self, key: str | None, live: Live | None, params: dict[str, Any] | None) -> bool:
        """`notifications/cancelled` of a server: whether it was about a question of its own."""
        request_id = (params or {}).get("requestId")
        if live is not None and live.questions is not None and live.questions.withdraw(request_id):
            return True
        stray = self._strays.get(key) if key is not None else None
        return stray is not None and stray.withdraw(request_id)

    async def close(self) -> None:
        for stray in list(self._strays.values()):
            await stray.close()

    def _why_not(self, question: Question, key: str) -> str | None:
        """What a server hears that asks callers of 2026-07-28 and not about the only call of theirs: it may
        be what the tool then says, so it names the cause. None: the operator's word, which is for nobody."""
        if question.kind not in self._may_ask:
            return None
        if not asking.covers(self.declared(key), question.needs):
            return f"{Reason.CAPABILITY_MISSING}: the client has not declared {question.kind}"
        return f"{Reason.BRIDGE_UNSUPPORTED}: {question.kind} is not carried across eras"

    def _waiting(self, key: str, live: Live | None, timed: Timed | None) -> Waiting:
        if live is None:
            stray = self._strays.setdefault(key, Waiting(None))
            stray.count = len(stray)  # a session lasts: what counts is how many wait
            return stray
        if live.questions is None:
            live.questions = Waiting(timed)
        return live.questions

    async def _ask(self, request_id: RequestId, inquiry: Inquiry, waiting: Waiting, say: Say) -> None:
        try:
            told = await self._asks.ask(inquiry)
        finally:
            waiting.end(request_id)
            if not waiting and self._strays.get(inquiry.key) is waiting:
                del self._strays[inquiry.key]
        if isinstance(told, RpcError):
            say(jsonrpc.encode_error(request_id, told.code, told.message, told.data))
        else:
            say(jsonrpc.encode_result(request_id, told))


def refusal(request_id: RequestId, why: str | None = None) -> bytes:
    """What a server gets that asks what cannot be asked: nothing may hang."""
    words = "Method not found" if why is None else f"Method not found ({why})"
    return jsonrpc.encode_error(request_id, METHOD_NOT_FOUND, words)


def _progress(params: dict[str, Any], say: Say) -> Callable[[dict[str, Any]], None]:
    """Hands the client's word on under the token that the server gave, if it gave one."""
    meta = params.get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None

    def tell(said: dict[str, Any]) -> None:
        if isinstance(token, int | str) and not isinstance(token, bool):
            mapped = {**said, "progressToken": token}
            say(jsonrpc.encode_notification("notifications/progress", mapped))

    return tell
