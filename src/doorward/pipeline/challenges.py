"""How to get in: the WWW-Authenticate field of 401, 403 and 400 answers.

RFC 6750 section 3 has the form and its error codes, RFC 9728 section 5.1 `resource_metadata`; MCP 2025-11-25
and 2026-07-28 (authorization) want `scope` in them. Nothing here says why a credential was refused: what is
presented as `invalid_token` may be unknown, expired, revoked or blocked.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from doorward.model.reasons import Reason

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
Field = tuple[bytes, bytes]
_NAME: Final = b"www-authenticate"


class Challenges(msgspec.Struct, frozen=True):
    """One per configuration. Without `metadata` there are keys only, and nobody to get a token from."""

    metadata: str = ""
    """URL of the metadata of `/mcp`."""
    scopes: Mapping[str | None, tuple[str, ...]] = {}
    """What a token needs for everything at an endpoint, by server; None is the aggregate."""

    def unauthorized(self, reason: Reason, endpoint: str | None) -> Field:
        """Of a 401. A caller that has shown nothing has made no error."""
        error = [] if reason is Reason.CREDENTIAL_MISSING else ['error="invalid_token"']
        scopes = self.scopes.get(endpoint, ()) if self.metadata else ()
        return self._field(endpoint, *([f'scope="{" ".join(scopes)}"'] if scopes else []), *error)

    def malformed(self, endpoint: str | None) -> Field:
        """Of a 400: more than one credential, or one where none belongs (RFC 6750 section 3.1)."""
        return self._field(endpoint, 'error="invalid_request"')

    def insufficient(self, scopes: tuple[str, ...], endpoint: str | None, description: str) -> Field:
        """Of a 403: every scope that the operation needs, those that the token has included.

        Others that the token has are not repeated: a client of 2026-07-28 asks for both (authorization,
        "Step-Up Authorization Flow"), and an issuer should be asked for no more than this needs.
        """
        needed = f'scope="{" ".join(scopes)}"'
        metadata = self._where(endpoint)
        text = f'Bearer error="insufficient_scope", {needed}, {metadata}, error_description="{description}"'
        return _NAME, text.encode("ascii")

    def _field(self, endpoint: str | None, *parts: str) -> Field:
        return _NAME, ("Bearer " + ", ".join((self._where(endpoint), *parts))).encode("ascii")

    def _where(self, endpoint: str | None) -> str:
        if not self.metadata:
            return 'realm="doorward"'
        return f'resource_metadata="{self.metadata}{"" if endpoint is None else f"/{endpoint}"}"'


KEYS_ONLY: Final = Challenges()
