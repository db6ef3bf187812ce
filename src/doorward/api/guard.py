"""Who may speak to the API at all, by the head of a request: nobody whom a web page has sent here.

A browser on this machine reaches a loopback address for any page that it shows (DNS rebinding, cross-site
requests). So the Host has to be an address of this machine, and a page's Origin the one that Host names.
"""

from typing import Final
from urllib.parse import urlsplit

from doorward.config.values import is_loopback

SCHEME: Final = "bearer"
Fields = list[tuple[bytes, bytes]]


class Refusal(Exception):
    """An answer that is none. `reason`: as api.errors has it; `recorded`: a better one, for the record."""

    def __init__(
        self, status: int, reason: str, message: str, hint: str | None = None, *, recorded: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.hint = hint
        self.recorded = recorded or reason


def check(fields: Fields) -> None:
    """Raises Refusal."""
    hosts, origins = _all(fields, b"host"), _all(fields, b"origin")
    if len(hosts) != 1 or not _of_this_machine(hosts[0]):
        raise Refusal(403, "host_forbidden", "the Host is not an address of this machine", _LOCAL)
    if origins and origins != [f"http://{hosts[0]}"]:
        raise Refusal(403, "origin_forbidden", "no web page of another origin is served here", _LOCAL)
    # Where a browser sends no Origin, it says at least this (Fetch Metadata, W3C).
    if any(site not in {"same-origin", "none"} for site in _all(fields, b"sec-fetch-site")):
        raise Refusal(403, "origin_forbidden", "no web page of another site is served here", _LOCAL)


def token(fields: Fields) -> str:
    """What was presented (RFC 6750 section 2.1). Raises Refusal."""
    presented = _all(fields, b"authorization")
    if not presented:
        raise Refusal(401, "credential_missing", "present an operator's token: Authorization: Bearer dwa_...")
    scheme, _, text = presented[0].partition(" ")
    if len(presented) > 1 or scheme.lower() != SCHEME or not text.strip():
        raise invalid()
    return text.strip()


def invalid(recorded: str | None = None) -> Refusal:
    """One text for everything that is wrong with a token: the record knows more than whoever presents it."""
    hint = "operators' tokens begin with dwa_; keys and tokens of agents are worth nothing here"
    text = "this is no operator's token that holds"
    return Refusal(401, "credential_invalid", text, hint, recorded=recorded)


_LOCAL: Final = "use the address that doorward status shows, such as http://127.0.0.1:7421"


def _all(fields: Fields, name: bytes) -> list[str]:
    return [value.decode("latin-1") for field, value in fields if field == name]


def _of_this_machine(host: str) -> bool:
    try:
        parts = urlsplit(f"http://{host}")
        named = parts.hostname or ""
        plain = parts.netloc == host and not parts.username and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return plain and not (parts.path or parts.query or parts.fragment) and is_loopback(named)
