"""What an answer of the gateway means to the client: lines to relay, or the error in their place. No I/O."""

from typing import Final

import msgspec

from doorward.app.relay.flight import Flight
from doorward.app.relay.leg import Reply
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.wire import jsonrpc
from doorward.wire.errors import WireError

JSON: Final = b"application/json"
REFUSED_KEY: Final = "the gateway refused the key"
NO_KEY: Final = "the gateway wants a key: put it into DOORWARD_KEY"

_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode


def split(data: bytes) -> list[tuple[jsonrpc.UpstreamMessage, bytes]]:
    """The messages in one body or event, each with its own bytes. Raises WireError.

    Only 2025-03-26 puts several into one.
    """
    if not data.lstrip().startswith(b"["):
        return [(jsonrpc.parse_upstream(data), data)]
    try:
        parts = [bytes(raw) for raw in _decode_batch(data)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise WireError("not JSON") from None
    return [(jsonrpc.parse_upstream(part), part) for part in parts]


def read_refusal(flight: Flight, reply: Reply, *, has_key: bool) -> list[bytes]:
    """The lines for an answer with a status from 300 on: the gateway's own error where it sent one."""
    own = _own_error(reply)
    if reply.status == 401:
        reason, text = (
            (Reason.CREDENTIAL_INVALID, REFUSED_KEY) if has_key else (Reason.CREDENTIAL_MISSING, NO_KEY)
        )
        if own is None:
            return flight.fail(reason, f"{text} (HTTP 401)")
        explained = jsonrpc.UpstreamError(None, own.code, f"{text}: {own.message}", own.data)
        raw = jsonrpc.encode_error(None, explained.code, explained.message, explained.data)
        return flight.take(explained, raw)
    if own is not None:
        taken = flight.take(own, reply.body)
        if taken or not flight.wants_answer:
            return taken
    return flight.fail(*_meaning(reply))


def describe(error: UpstreamError) -> str:
    """A failure of the way to the gateway as the client should read it: to it the gateway is the server."""
    return "the gateway at " + error.message.removeprefix("server ")


def _own_error(reply: Reply) -> jsonrpc.UpstreamError | None:
    if reply.content_type != JSON:
        return None
    try:
        message = jsonrpc.parse_upstream(reply.body)
    except WireError:
        return None
    return message if isinstance(message, jsonrpc.UpstreamError) else None


def _meaning(reply: Reply) -> tuple[Reason, str]:
    status = reply.status
    if status in (429, 503):
        return Reason.UPSTREAM_OVERLOADED, f"the gateway is overloaded (HTTP {status})"
    if status < 400:
        text = f"the gateway redirects (HTTP {status}), which is never followed: use its final URL"
        return Reason.UPSTREAM_HTTP_ERROR, text
    if status == 404:
        return Reason.UPSTREAM_HTTP_ERROR, "nothing is served at this URL (HTTP 404): does it end in /mcp?"
    return Reason.UPSTREAM_HTTP_ERROR, f"the gateway answered HTTP {status}"
