"""One message on its way from the client to the gateway, and which of its ids still want an answer."""

import asyncio
from collections.abc import Callable

from doorward.model.call import Era, RequestId
from doorward.model.reasons import REASONS, Reason
from doorward.pipeline.rescue import FORMS
from doorward.wire import jsonrpc

Readable = jsonrpc.Message | jsonrpc.Batch
Key = tuple[type, RequestId]


def key_of(request_id: RequestId) -> Key:
    """1 and "1" are two ids (JSON-RPC 2.0 section 4)."""
    return type(request_id), request_id


class Flight:
    """`message` is None for a line that is no JSON-RPC; the gateway refuses and records it."""

    __slots__ = ("_waiting", "abandoned", "era", "line", "message", "sent", "session_id", "task")

    def __init__(self, line: bytes, message: Readable | None, era: Era) -> None:
        self.line = line
        self.message = message
        self.era = era
        self.session_id: bytes | None = None
        """The session it was sent in."""
        self.sent = False
        self.abandoned = False
        """The client has cancelled it and expects no answer any more."""
        self.task: asyncio.Task[bytes | None] | None = None
        items = message.items if isinstance(message, jsonrpc.Batch) else [message]
        self._waiting = {key_of(item.id): item.id for item in items if isinstance(item, jsonrpc.Request)}

    @property
    def method(self) -> str | None:
        """None for responses, batches and what is unreadable."""
        message = self.message
        return message.method if isinstance(message, jsonrpc.Request | jsonrpc.Notification) else None

    @property
    def waiting(self) -> list[RequestId]:
        """Ids without an answer yet."""
        return list(self._waiting.values())

    @property
    def wants_answer(self) -> bool:
        """A line nobody could read may have held a request."""
        return bool(self._waiting) or self.message is None

    def left(self) -> None:
        """It is on the wire."""
        self.sent = True

    def abandon(self) -> None:
        """End it without an answer. Its HTTP stream is closed, which cancels it in the modern era."""
        self.abandoned = True
        if self.task is not None:
            self.task.cancel()

    def take(self, answer: jsonrpc.UpstreamResult | jsonrpc.UpstreamError, raw: bytes) -> list[bytes]:
        """What the client is to see of one answer of the gateway: `raw`, if it is for an id that waits.

        An error without an id means the message as a whole, so every waiting id gets it. Anything else is
        dropped: an answer to nothing that this message asked must not meet another request of the client.
        """
        if answer.id is not None:
            return [raw] if self._waiting.pop(key_of(answer.id), None) is not None else []
        if self.message is None:
            return [raw]
        assert isinstance(answer, jsonrpc.UpstreamError)
        return self._refuse_all(
            lambda request_id: jsonrpc.encode_error(request_id, answer.code, answer.message, answer.data)
        )

    def fail(self, reason: Reason, message: str) -> list[bytes]:
        """One JSON-RPC error for each id that still waits; one without an id for what nobody could read."""
        info = REASONS[reason]
        data = {"reason": reason.value, "retryable": info.retryable, "advice": info.advice}
        code = FORMS[reason].code
        if self.message is None:
            return [jsonrpc.encode_error(None, code, message, data)]
        return self._refuse_all(lambda request_id: jsonrpc.encode_error(request_id, code, message, data))

    def join(self, parts: list[bytes]) -> bytes | None:
        """The line that answers: an array for a batch (2025-03-26), None when there is nothing to say."""
        if isinstance(self.message, jsonrpc.Batch) and parts:
            return b"[" + b",".join(parts) + b"]"
        return parts[0] if parts else None

    def _refuse_all(self, encode: Callable[[RequestId], bytes]) -> list[bytes]:
        parts = [encode(request_id) for request_id in self.waiting]
        self._waiting.clear()
        return parts


class Flights:
    """Those in flight, by request id, so that a cancellation finds its request."""

    def __init__(self) -> None:
        self._by_id: dict[Key, Flight] = {}

    def enter(self, flight: Flight) -> None:
        """The first one keeps an id that is used twice; refusing the second is the gateway's business."""
        for request_id in flight.waiting:
            self._by_id.setdefault(key_of(request_id), flight)

    def leave(self, flight: Flight) -> None:
        for key in [key for key, one in self._by_id.items() if one is flight]:
            del self._by_id[key]

    def find(self, request_id: object) -> Flight | None:
        """None for what is in flight no more, or no id at all."""
        if isinstance(request_id, int | str):
            return self._by_id.get(key_of(request_id))
        return None

    def calling(self, method: str) -> list[Flight]:
        return [flight for flight in self._by_id.values() if flight.method == method]
