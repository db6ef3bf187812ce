"""What an HTTP status without a usable JSON-RPC body means for the call, and for the operator.

Sources: RFC 9110 section 15 (statuses), 10.2.3 (Retry-After), 11.6.1 (WWW-Authenticate); RFC 9728 section 5.1
(`resource_metadata`); MCP 2025-11-25 and 2026-07-28, authorization.
"""

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import Final

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.upstream.h1 import Response

LONGEST_RETRY_S: Final = 24 * 3600
"""What a server asks for beyond it is cut: it would keep callers away for ever."""
CHALLENGE: Final = "challenge: "
"""How a note for the operator begins that repeats what a server asks for."""

_PARAMETER: Final = re.compile(
    r'([0-9A-Za-z_-]{1,32})[ \t]{0,2}=[ \t]{0,2}(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))', re.DOTALL
)
_MOST_READ: Final = 1024
"""Of a challenge; the pattern is quadratic where quotes are never closed."""
_REDIRECTS: Final = (300, 301, 302, 303, 307, 308)
"""RFC 9110 section 15.4; 304, 305 and 306 name no other place."""
_SHOWN: Final = ("error", "scope", "resource_metadata")
_MOST_SHOWN: Final = 300


def meaning(server: str, response: Response) -> UpstreamError:
    """The error of a call that was answered so. A note on it says what a server's challenge asks for."""
    status = response.status
    if status in (401, 403):
        text = f"did not accept our credentials (HTTP {status})"
        error = failure(Reason.UPSTREAM_AUTH_FAILED, server, text)
        asked = challenge(response.headers.get(b"www-authenticate", b""))
        if asked:
            error.add_note(CHALLENGE + asked)
        return error
    if status == 407:
        text = "cannot be reached: the proxy did not accept our credentials (HTTP 407)"
        return failure(Reason.UPSTREAM_UNREACHABLE, server, text)
    if status in (429, 503):
        return _overloaded(server, response)
    if status in _REDIRECTS:
        text = f"redirects (HTTP {status}), which is never followed; configure its final URL"
        return failure(Reason.UPSTREAM_HTTP_ERROR, server, text)
    if status in (202, 204):
        text = f"took a request without answering it (HTTP {status})"
        return failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text)
    return failure(Reason.UPSTREAM_HTTP_ERROR, server, f"answered HTTP {status} with {_kind(response)}")


def retry_after(value: bytes, now: float) -> int | None:
    """Whole seconds from `now` (Unix time), at most LONGEST_RETRY_S; None for what says no time."""
    text = value.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return LONGEST_RETRY_S if len(text) > 9 else min(int(text), LONGEST_RETRY_S)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(math.ceil(seconds), 0), LONGEST_RETRY_S)


def challenge(value: bytes) -> str:
    """The parameters of a challenge that help an operator: what went wrong, which scopes, where to ask.

    Visible ASCII and bounded, whatever the server wrote; "" when it says none of it.
    """
    found: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value[:_MOST_READ].decode("latin-1")):
        word = re.sub(r"\\(.)", r"\1", quoted) or plain
        found.setdefault(name.lower(), re.sub(r"[^ -~]", "?", word)[:_MOST_SHOWN])
    return ", ".join(f"{name}={found[name]}" for name in _SHOWN if found.get(name))


def _overloaded(server: str, response: Response) -> UpstreamError:
    error = failure(Reason.UPSTREAM_OVERLOADED, server, f"is overloaded (HTTP {response.status})")
    seconds = retry_after(response.headers.get(b"retry-after", b""), time.time())
    if seconds is not None:
        error.data = {"retry_after": seconds}
    return error


def _kind(response: Response) -> str:
    kind = response.content_type.decode("latin-1")
    return re.sub(r"[^!-~]", "?", kind)[:100] if kind else "no content type"
