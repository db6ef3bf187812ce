"""What a server sends besides answers: for the caller, for the gateway, or for nobody."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from doorward.model.call import Call
from doorward.ports.asks import Asks
from doorward.upstream.live import Live
from doorward.upstream.questions import NoClients, Questions
from doorward.wire import jsonrpc
from doorward.wire.meta import LOG_LEVELS, SUBSCRIPTION_ID

PROGRESS: Final = "notifications/progress"
MESSAGE: Final = "notifications/message"
CANCELLED: Final = "notifications/cancelled"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
OnNotification = Callable[[str | None, str, dict[str, Any]], None]
"""Conversation key (None for one that belongs to no caller), method, params."""
OnDeafness = Callable[[str | None], None]
"""Conversation key."""


def wanted(call: Call, params: dict[str, Any]) -> bool:
    """Whether the caller asked for log messages of this level."""
    level = params.get("level")
    if call.log_level not in LOG_LEVELS or level not in LOG_LEVELS:
        return False
    return LOG_LEVELS.index(str(level)) >= LOG_LEVELS.index(call.log_level)


class Relay:
    """Shared by all conversations of one server. `dropped` counts by cause what was thrown away."""

    def __init__(self, server: str = "", may_ask: tuple[str, ...] = (), asks: Asks | None = None) -> None:
        self.on_notification: OnNotification = _ignore
        self.on_deafness: OnDeafness = _ignore_deafness
        """Told of a conversation that hears the server again, after a while in which it may have missed what
        was said."""
        self.dropped: Counter[str] = Counter()
        self.listens: dict[int, Callable[[dict[str, Any]], None]] = {}
        """Our open `subscriptions/listen`, by their ids: told of their acknowledgement."""
        self.questions = Questions(server, may_ask, NoClients() if asks is None else asks, self.dropped)

    async def note(self, notification: jsonrpc.UpstreamNotification, live: Live, key: str | None) -> None:
        """One that came on the own stream of `live`. Waits while the caller reads slowly."""
        method, params, call = notification.method, notification.params or {}, live.call
        if method == PROGRESS:
            given = params.get("progressToken")
            if call is None or call.progress_token is None or type(given) is not int or given != live.id:
                self.dropped["progress for no live token"] += 1
            elif not _advances(live, params):
                self.dropped["progress that is none"] += 1
            elif call.events is not None:
                mapped = {**params, "progressToken": call.progress_token}
                await call.events.emit(jsonrpc.encode_notification(method, mapped))
        elif method == MESSAGE:
            if call is not None and call.events is not None and wanted(call, params):
                await call.events.emit(jsonrpc.encode_notification(method, params))
            else:
                self.dropped["log message nobody asked for"] += 1
        else:
            self.unrelated(notification, key)

    def unrelated(self, notification: jsonrpc.UpstreamNotification, key: str | None) -> None:
        """One that belongs to no call."""
        if notification.method in (PROGRESS, CANCELLED):
            self.dropped["notification for no live call"] += 1
        elif notification.method == MESSAGE and key is None:
            self.dropped["log message nobody asked for"] += 1
        elif notification.method == ACKNOWLEDGED:
            self._acknowledged(notification.params or {})
        else:
            self.on_notification(key, notification.method, notification.params or {})

    def _acknowledged(self, params: dict[str, Any]) -> None:
        meta = params.get("_meta")
        listen_id = meta.get(SUBSCRIPTION_ID) if isinstance(meta, dict) else None
        told = self.listens.get(listen_id) if type(listen_id) is int else None
        if told is None:
            self.dropped["acknowledgement of nothing we asked"] += 1
        else:
            told(params)

    def answer(self, request: jsonrpc.UpstreamRequest) -> bytes:
        """Our answer to a request that no client is asked: nothing may hang."""
        if request.method == "ping":
            return jsonrpc.encode_result(request.id, b"{}")
        self.dropped["request to the client"] += 1
        return jsonrpc.encode_error(request.id, -32601, "Method not found", None)


def _advances(live: Live, params: dict[str, Any]) -> bool:
    """Whether a note is of the schema's form and does not go back (MCP, progress: the value MUST increase).

    One that stays where it was passes: many servers say by it what they do now.
    """
    progress: Any = params.get("progress")
    total = params.get("total", 0)
    if not (_is_number(progress) and _is_number(total) and isinstance(params.get("message", ""), str)):
        return False
    if progress < live.progress:
        return False
    live.progress = progress
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ignore(key: str | None, method: str, params: dict[str, Any]) -> None:
    """Until somebody listens."""


def _ignore_deafness(key: str | None) -> None:
    """The same."""
