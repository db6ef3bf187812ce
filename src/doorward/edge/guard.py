"""What the head of a request must satisfy before anything else is looked at: Host, Origin, media types.

Host and Origin checks stop DNS rebinding (MCP transports, "Security Warning"); the Host allow-list comes from
the configuration, never from the request (DESIGN section 4).
"""

import ipaddress
import re
from typing import Final
from urllib.parse import unquote_plus

from doorward.edge.exchange import HttpRequest
from doorward.model.call import Credential
from doorward.model.certificate import ClientCertificate
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
FORWARDING: Final = frozenset(
    {
        b"forwarded",
        b"x-original-forwarded-for",
        b"x-real-ip",
        b"via",
        b"cf-connecting-ip",
        b"cf-connecting-ipv6",
        b"true-client-ip",
        b"fastly-client-ip",
        b"fly-client-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-envoy-external-address",
        b"x-azure-clientip",
        b"cloudfront-viewer-address",
    }
)
FORWARDED_PREFIX: Final = b"x-forwarded-"
"""Proxies invent new ones of these: each of them says that somebody stands between."""
CORS_ALLOW_HEADERS: Final = (
    b"authorization, content-type, accept, mcp-protocol-version, mcp-session-id, last-event-id, mcp-method, "
    b"mcp-name, x-doorward-key"
)

MAX_CREDENTIAL: Final = 8 * 1024
"""Bytes of a key or token."""
_QUERY: Final = re.compile(r"(?:^|[&;])\s*access_token\s*(?:=|[&;]|$)", re.IGNORECASE)


class Guard:
    """One per configuration."""

    def __init__(self, *, hosts: frozenset[str], origins: frozenset[str]) -> None:
        self._hosts = hosts | LOOPBACK_NAMES
        self._origins = origins
        self._accepted: set[bytes] = set()
        """Host fields that were found good, as received; bounded."""

    def check(self, request: HttpRequest) -> tuple[tuple[bytes, bytes], ...]:
        """CORS headers for the answer (none without an allowed Origin).

        Our own origin needs no entry where it is a loopback name: nobody but this listener serves pages
        there, and the official conformance suite sends it.

        Raises CallerError(HOST_FORBIDDEN | ORIGIN_FORBIDDEN).
        """
        host = request.headers.get(b"host", b"")
        if host not in self._accepted:
            if _hostname(host) not in self._hosts:
                raise CallerError(Reason.HOST_FORBIDDEN, "this host name is not served here")
            if len(self._accepted) < 64:
                self._accepted.add(host)
        origin = request.headers.get(b"origin")
        if origin is None:
            return ()
        if origin.decode("latin-1") not in self._origins:
            if _is_ours(origin, host):
                return ()
            raise CallerError(Reason.ORIGIN_FORBIDDEN, "this origin is not in gateway.allowed_origins")
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", b"mcp-session-id, www-authenticate"),
            (b"vary", b"origin"),
        )

    @staticmethod
    def preflight(
        request: HttpRequest, methods: bytes = b"POST, GET, DELETE"
    ) -> tuple[tuple[bytes, bytes], ...]:
        """Asked headers are echoed when they are MCP parameter headers (brief 4.2)."""
        asked = request.headers.get(b"access-control-request-headers", b"").lower().split(b",")
        extra = b"".join(b", " + name.strip() for name in asked if name.strip().startswith(b"mcp-param-"))
        return (
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", CORS_ALLOW_HEADERS + extra),
            (b"access-control-max-age", b"600"),
        )

    @staticmethod
    def check_post(request: HttpRequest) -> None:
        """Raises CallerError(UNSUPPORTED_MEDIA_TYPE | NOT_ACCEPTABLE). A missing Accept and `*/*` are
        tolerated; a content coding is not (RFC 9110 section 8.4): who inspects the body on its way here and
        decodes it would read something else than we do."""
        kind = request.headers.get(b"content-type", b"")
        if kind != b"application/json" and kind.split(b";")[0].strip().lower() != b"application/json":
            raise CallerError(Reason.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json")
        if request.headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
            raise CallerError(Reason.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding is not accepted here")
        accept = request.headers.get(b"accept")
        if accept is None or b"*/*" in accept:
            return
        if b"application/json" not in accept or b"text/event-stream" not in accept:
            raise CallerError(
                Reason.NOT_ACCEPTABLE, "Accept must list application/json and text/event-stream"
            )

    @staticmethod
    def credential(
        request: HttpRequest,
        peer: str,
        certificate: ClientCertificate | None = None,
        *,
        relayed: bool = False,
    ) -> Credential:
        """What was presented; `relayed` by a configured proxy, whatever the head says.

        Raises CallerError(CREDENTIAL_AMBIGUOUS) for a credential in two places, in the wrong one, or larger
        than any is (RFC 6750 section 3.1: `invalid_request`), CallerError(CREDENTIAL_INVALID) for another
        scheme.
        """
        headers = request.headers
        if request.query and _QUERY.search(unquote_plus(request.query)):
            # Section 2.3 of RFC 6750: it ends in logs and in the history of browsers. MCP forbids it.
            raise CallerError(Reason.CREDENTIAL_AMBIGUOUS, "a token in the query string")
        bearer = headers.get(b"authorization")
        key = headers.get(b"x-doorward-key")
        if bearer is not None and key is not None:
            raise CallerError(
                Reason.CREDENTIAL_AMBIGUOUS, "credentials in both Authorization and X-Doorward-Key"
            )
        secret: str | None = None
        if bearer is not None:
            secret = _bearer(bearer)
        elif key is not None:
            secret = _single(key, "X-Doorward-Key")
        local = not relayed and (peer in ("127.0.0.1", "::1", "unix") or _is_loopback(peer))
        # Forwarding only matters where locality is the credential; a key is looked at for itself.
        trusting = secret is None or request.path == "/readyz"
        proxied = relayed or (
            trusting and any(name in FORWARDING or name.startswith(FORWARDED_PREFIX) for name in headers)
        )
        return Credential(secret, peer, local, proxied, certificate)


def _is_ours(origin: bytes, host: bytes) -> bool:
    """Only for loopback: elsewhere who controls the wire controls http://host beside https://host."""
    return _hostname(host) in LOOPBACK_NAMES and origin in (b"http://" + host, b"https://" + host)


def _bearer(field: bytes) -> str:
    scheme, _, secret = field.partition(b" ")
    if b"," not in field and (scheme.lower() != b"bearer" or not secret):
        raise CallerError(Reason.CREDENTIAL_INVALID, "Authorization must be: Bearer CREDENTIAL")
    return _single(secret if scheme.lower() == b"bearer" else field, "Authorization")


def _single(value: bytes, name: str) -> str:
    """One credential. Neither keys nor tokens have commas or blanks (RFC 6750 section 2.1, b64token), and a
    field that came twice has both (`parse_head`)."""
    secret = value.strip()
    if b"," in value or b" " in secret or b"\t" in secret:
        raise CallerError(Reason.CREDENTIAL_AMBIGUOUS, f"more than one credential in {name}")
    if len(secret) > MAX_CREDENTIAL:
        raise CallerError(Reason.CREDENTIAL_AMBIGUOUS, f"more than {MAX_CREDENTIAL} bytes in {name}")
    return secret.decode("latin-1")


def _hostname(host: bytes) -> str:
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text[: text.find("]") + 1]
    return text.partition(":")[0]


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
