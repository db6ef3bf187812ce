"""Asking issuers over HTTP: key sets, metadata, introspection. Off the way of calls, and never redirected."""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class FetchFailed(Exception):
    """Nothing that could be used came back. The text is for the operator and holds nothing that was sent."""


class Fetched(msgspec.Struct, frozen=True):
    """A complete answer."""

    status: int
    body: bytes
    kind: str
    """Media type, in lower case and without parameters."""


class Basic(msgspec.Struct, frozen=True):
    """Client authentication (RFC 6749 section 2.3.1)."""

    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return f"Basic({self.client_id}, ***)"


class Fetch(Protocol):
    """Each verb raises FetchFailed: unreachable, too slow, too large, not trusted, no URL to be asked."""

    async def get(self, url: str, *, most: int, ca: str | None = None) -> Fetched:
        """At most `most` bytes. `ca`: PEM file with the authorities to trust; None: the system's."""
        ...

    async def post(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        most: int,
        ca: str | None = None,
        basic: Basic | None = None,
    ) -> Fetched:
        """`form` as application/x-www-form-urlencoded."""
        ...

    async def close(self) -> None:
        """Connections that are kept; it must not be asked again."""
        ...
