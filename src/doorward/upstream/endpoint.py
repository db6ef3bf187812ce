"""Where a legacy HTTP+SSE server wants its messages: what its `endpoint` event may say (MCP 2024-11-05)."""

from typing import Final
from urllib.parse import urljoin

from doorward.upstream.address import parse_url

MAX_ENDPOINT: Final = 4096
"""Characters of an endpoint; session ids are much shorter."""


def message_target(url: str, said: str) -> bytes:
    """Path and query for POSTs. `said` is absolute, or relative to `url`, the stream's own URL.

    Raises ValueError, whose text continues the sentence "server NAME ...", for another origin than the
    stream's (messages carry credentials, and the origin is what the operator configured) and for what is no
    URL.
    """
    if not said or len(said) > MAX_ENDPOINT:
        raise ValueError("names no usable endpoint for its messages")
    try:
        base, found = parse_url(url), parse_url(urljoin(url, said))
    except ValueError:
        raise ValueError("names no usable endpoint for its messages") from None
    if (found.tls, found.host, found.port) != (base.tls, base.host, base.port):
        scheme = "https" if found.tls else "http"
        origin = f"{scheme}://{found.authority.decode()}"
        raise ValueError(f"names another origin for its messages, which is never followed: {origin[:200]}")
    return found.target
