"""The reserved keys of `_meta`: what belongs to one leg is taken off, the rest travels (research brief 1.1).

The envelope (version, capabilities, client, log level, progress token) is a statement about one connection.
It is dropped from what a caller sends and stamped anew for the upstream leg, so that no caller can speak in
our name there.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from doorward.model.call import Era, RequestId
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

PREFIX: Final = "io.modelcontextprotocol/"
PROTOCOL_VERSION: Final = PREFIX + "protocolVersion"
CLIENT_CAPABILITIES: Final = PREFIX + "clientCapabilities"
CLIENT_INFO: Final = PREFIX + "clientInfo"
LOG_LEVEL: Final = PREFIX + "logLevel"
SERVER_INFO: Final = PREFIX + "serverInfo"
SUBSCRIPTION_ID: Final = PREFIX + "subscriptionId"
RELATED_TASK: Final = PREFIX + "related-task"
MODEL_IMMEDIATE_RESPONSE: Final = PREFIX + "model-immediate-response"
PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105 - a name of the protocol
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"

LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")

ENVELOPE_KEYS: Final = frozenset(
    {PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROGRESS_TOKEN}
)
_NOT_FORWARDED: Final = ENVELOPE_KEYS | {
    SUBSCRIPTION_ID,  # names a stream of one leg
    SERVER_INFO,  # a server's word; from a caller it would be a lie
    RELATED_TASK,  # tasks are not offered: it could only point at somebody else's
    BAGGAGE,  # free text across the trust boundary
}


class Envelope(msgspec.Struct, frozen=True):
    """What the caller says of its side. None where it says nothing; unverified, never to be authorised on."""

    version: str | None = None
    capabilities: dict[str, Any] | None = None
    client: dict[str, Any] | None = None
    log_level: str | None = None
    progress_token: RequestId | None = None


_NO_ENVELOPE: Final = Envelope()


def split_meta(params: Mapping[str, Any]) -> tuple[dict[str, Any], Envelope, dict[str, Any]]:
    """`params` without `_meta`, the envelope, and what else `_meta` held. `params` is not changed.

    Raises CallerError(INVALID_PARAMS) for a member of the wrong type. That required members are there at all
    is checked by `era.classify`, because only one era requires them.
    """
    if "_meta" not in params:
        return dict(params), _NO_ENVELOPE, {}
    bare = {name: value for name, value in params.items() if name != "_meta"}
    meta = params["_meta"]
    if not isinstance(meta, dict):
        raise _invalid("_meta", "an object")
    if ENVELOPE_KEYS.isdisjoint(meta):
        return bare, _NO_ENVELOPE, dict(meta)
    rest = {key: value for key, value in meta.items() if key not in ENVELOPE_KEYS}
    return bare, _envelope(meta), rest


def _envelope(meta: Mapping[str, Any]) -> Envelope:
    version = meta.get(PROTOCOL_VERSION)
    if version is not None and not isinstance(version, str):
        raise _invalid(PROTOCOL_VERSION, "a string")
    level = meta.get(LOG_LEVEL)
    if level is not None and level not in LOG_LEVELS:
        raise _invalid(LOG_LEVEL, "one of " + ", ".join(LOG_LEVELS))
    token = meta.get(PROGRESS_TOKEN)
    if token is not None and (isinstance(token, bool) or not isinstance(token, int | str)):
        raise _invalid(PROGRESS_TOKEN, "a string or an integer")
    capabilities, client = _object(meta, CLIENT_CAPABILITIES), _object(meta, CLIENT_INFO)
    return Envelope(version, capabilities, client, level, token)


def _object(meta: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    value = meta.get(key)
    if value is not None and not isinstance(value, dict):
        raise _invalid(key, "an object")
    return value


def _invalid(key: str, wanted: str) -> CallerError:
    return CallerError(Reason.INVALID_PARAMS, f"params._meta: {key} must be {wanted}")


def stamp_meta(
    rest_meta: Mapping[str, Any],
    *,
    era: Era,
    version: str,
    capabilities: Mapping[str, Any],
    client: Mapping[str, Any] | None,
    log_level: str | None,
    progress_token: RequestId | None,
) -> dict[str, Any] | None:
    """`_meta` for an upstream of this era and version; None when it would be empty. `rest_meta` is not
    changed.

    Unknown keys pass. Version, capabilities, client and log level are stamped for a modern upstream only: the
    legacy ones have their place in `initialize` and `logging/setLevel`. `progress_token` is the upstream
    leg's own.
    """
    meta = {key: value for key, value in rest_meta.items() if key not in _NOT_FORWARDED}
    if progress_token is not None:
        meta[PROGRESS_TOKEN] = progress_token
    if era is Era.MODERN:
        meta[PROTOCOL_VERSION] = version
        meta[CLIENT_CAPABILITIES] = dict(capabilities)
        if client:
            meta[CLIENT_INFO] = dict(client)
        if log_level is not None:
            meta[LOG_LEVEL] = log_level
    return meta or None
