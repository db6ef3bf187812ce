"""Protected-resource metadata (RFC 9728): where a client learns whom to ask for a token, and for which one.

Each endpoint is a resource of its own, so a token for one is none for another. A document is answered for
every name that a server could have: who has shown no credential does not learn which ones there are.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from doorward.edge.exchange import Exchange
from doorward.edge.guard import Guard
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.pipeline.challenges import WELL_KNOWN
from doorward.pipeline.rescue import JSON

METHODS: Final = b"GET, HEAD, OPTIONS"
_ENDPOINT: Final = re.compile("(?:/mcp(?:/([a-z0-9-]{1,16}))?)?")
MAX_AGE_S: Final = 300
"""How long a client may keep a document: a new issuer is known to all of them after that."""

Fields = tuple[tuple[bytes, bytes], ...]
_HEAD: Final[Fields] = (JSON, (b"cache-control", b"public, max-age=%d" % MAX_AGE_S))


class Discovery(msgspec.Struct, frozen=True):
    """One per configuration with issuers."""

    resource: str
    """URL of `/mcp`: what `aud` of a token for all servers says."""
    base: str
    """Path of gateway.public_url: well-known URLs have it after the well-known part (section 3.1)."""
    issuers: tuple[str, ...]
    scopes: Mapping[str | None, tuple[str, ...]] = {}
    """What a token needs for everything at an endpoint, by server. What single tools need beside that is said
    when one of them is called."""
    bound: bool = False
    """Whether tokens may be bound to the client certificates of our listener (RFC 8705)."""

    def answer(self, exchange: Exchange, cors: Fields, guard: Guard) -> bool:
        """Whether there is something of ours at this path: then it is answered. No credential is needed, for
        this is where a client learns how to get one.

        Raises CallerError(HTTP_METHOD_NOT_ALLOWED).
        """
        document = self.document(exchange.request.path)
        if document is None:
            return False
        if exchange.request.method in (b"GET", b"HEAD"):
            exchange.respond(200, _HEAD + cors, document)
        else:
            preflight(exchange, cors, guard)
        return True

    def document(self, path: str) -> bytes | None:
        """What stands at a path; None where there is nothing of ours. The root is that of all servers."""
        if not path.startswith(WELL_KNOWN):
            return None
        rest = path[len(WELL_KNOWN) :]
        found = _ENDPOINT.fullmatch(rest.removeprefix(self.base) if self.base else rest)
        return None if found is None else msgspec.json.encode(self._of(found[1]))

    def _of(self, server: str | None) -> dict[str, Any]:
        scopes = self.scopes.get(server, ())
        return {
            "resource": self.resource if server is None else f"{self.resource}/{server}",
            "authorization_servers": self.issuers,
            **({"scopes_supported": scopes} if scopes else {}),
            "bearer_methods_supported": ["header"],
            "resource_name": "Doorward" if server is None else f"Doorward: {server}",
            **({"tls_client_certificate_bound_access_tokens": True} if self.bound else {}),
        }


def preflight(exchange: Exchange, cors: Fields, guard: Guard) -> None:
    """OPTIONS of what is only read; what pages may ask only where `cors` says that they may ask at all.

    Raises CallerError(HTTP_METHOD_NOT_ALLOWED) for any other method.
    """
    if exchange.request.method != b"OPTIONS":
        raise CallerError(Reason.HTTP_METHOD_NOT_ALLOWED, "this is read with GET")
    asked = cors + guard.preflight(exchange.request, METHODS) if cors else ()
    exchange.respond(204, ((b"allow", METHODS), *asked))
