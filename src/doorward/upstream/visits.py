"""A call that a server refuses until its user has visited a URL: -32042 (MCP 2025-11-25, "URL elicitation").

It asks the client as much as a request of its own does, only that the call is over: so it takes the same two
consents.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from doorward.model.call import Call, Era
from doorward.upstream.bridging import forbidden, unbridged, undeclared
from doorward.wire import asking
from doorward.wire.asking import Objection, Question

CODE: Final = -32042
MOST: Final = 32
"""Elicitations of one error that are remembered."""
MAX_ID: Final = 256
"""Characters."""
_VISIT: Final = Question("elicitation/create", {"mode": "url"})


class _Elicitation(msgspec.Struct):
    elicitationId: str = ""  # noqa: N815 - the member's name (ElicitRequestURLParams)


class _Data(msgspec.Struct):
    elicitations: list[_Elicitation] = []


def judge(server: str, call: Call, era: Era, may_ask: Collection[str]) -> None:
    """Whether the caller is told. `era` is the server's.

    Raises PolicyError(ASK_NOT_ALLOWED), CallerError(CAPABILITY_MISSING), UpstreamError(BRIDGE_UNSUPPORTED).
    Returns as well for a modern server, where `bridge.error_down` makes nothing of the code: 2026-07-28 must
    not use it.
    """
    if era is Era.MODERN:
        return
    kinds = tuple(asking.KINDS.values())
    if _VISIT.kind not in may_ask:
        raise forbidden(server, _VISIT.kind)
    if asking.judge(_VISIT, call.capabilities, kinds, call.version) is Objection.UNDECLARED:
        raise undeclared(server, _VISIT)
    if call.era is not era:
        raise unbridged(server, [str(_VISIT.kind)])


def elicitations(data: Any) -> list[str]:
    """The ids under which the server may say that a visit is over."""
    try:
        if isinstance(data, msgspec.Raw):
            said = msgspec.json.decode(data, type=_Data)
        else:
            said = msgspec.convert(data, type=_Data)
    except (msgspec.MsgspecError, RecursionError):
        return []
    return [one.elicitationId for one in said.elicitations[:MOST] if 0 < len(one.elicitationId) <= MAX_ID]
