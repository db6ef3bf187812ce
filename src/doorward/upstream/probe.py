"""Which era a server speaks: what its answer to `server/discover` proves, and what it does not (brief 2.4).

A verdict is a value; who asks, how often and what follows is decided in discovery.py.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec

from doorward.model.errors import UpstreamError
from doorward.upstream.h1 import JSON, Response
from doorward.upstream.http import refused
from doorward.upstream.introduction import Introduction, modern_version, read_discover
from doorward.upstream.live import Answer
from doorward.wire import jsonrpc, versions
from doorward.wire.errors import WireError

HEADER_MISMATCH: Final = -32020
CAPABILITY_MISSING: Final = -32021
VERSION_UNSUPPORTED: Final = -32022


class Evidence(StrEnum):
    """What an answer to the probe amounts to."""

    MODERN = "modern"
    LEGACY = "legacy"
    NONE = "none"
    """Neither: the server is ill, or does not let us in."""


class Verdict(msgspec.Struct, frozen=True):
    """`introduction` comes with MODERN where the server gave one; `problem` says why there is no evidence."""

    evidence: Evidence
    introduction: Introduction | None = None
    problem: UpstreamError | None = None


LEGACY: Final = Verdict(Evidence.LEGACY)


def of_response(server: str, response: Response, streamed: Answer | None = None) -> Verdict:
    """What an HTTP response to the probe means. 401, 403, 429, 3xx and 5xx are no evidence.

    `streamed` is what its event stream answered: some servers never answer in another way.
    """
    status = response.status
    if status in (401, 403, 408, 425, 429) or 300 <= status < 400 or status >= 500:
        return Verdict(Evidence.NONE, problem=refused(server, response))
    if streamed is not None:
        return of_answer(server, streamed)
    if response.content_type != JSON:
        return LEGACY
    try:
        message = jsonrpc.parse_upstream(response.body)
    except WireError:
        return LEGACY
    if isinstance(message, jsonrpc.UpstreamResult | jsonrpc.UpstreamError):
        return of_answer(server, message)
    return LEGACY


def of_answer(server: str, answer: Answer) -> Verdict:
    """What a JSON-RPC answer to the probe means, over whatever transport."""
    if isinstance(answer, jsonrpc.UpstreamError):
        return _of_error(answer)
    try:
        introduction = read_discover(server, answer.result)
    except UpstreamError as error:
        return Verdict(Evidence.NONE, problem=error)
    # A discover result without a revision we speak may come from a dual-era server of a later time.
    return LEGACY if introduction is None else Verdict(Evidence.MODERN, introduction)


def _of_error(error: jsonrpc.UpstreamError) -> Verdict:
    if error.code == VERSION_UNSUPPORTED:
        supported = _supported(error.data)
        if modern_version(supported) is not None:
            return Verdict(Evidence.MODERN)
        # Only servers that know the modern era have this code; whether legacy too, initialize tells.
        return LEGACY
    if error.code in (HEADER_MISMATCH, CAPABILITY_MISSING):
        return Verdict(Evidence.MODERN)
    # -32601 and -32602 too: a modern server must implement server/discover and our params are right.
    return LEGACY


def _supported(data: Any) -> list[str]:
    supported = data.get("supported") if isinstance(data, dict) else None
    known = (*versions.LEGACY_VERSIONS, *versions.MODERN_VERSIONS)  # no set: what is offered may be anything
    return [v for v in supported if v in known] if isinstance(supported, list) else []
