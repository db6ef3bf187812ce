"""What the servers offer, as a snapshot that never changes under a reader."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from doorward.model.principal import Principal
from doorward.model.target import Kind, Target


class Entry(Protocol):
    """One listed thing of one endpoint."""

    @property
    def target(self) -> Target: ...

    @property
    def exposed(self) -> str:
        """The name or URI under which this endpoint shows it."""
        ...

    def encoded(self, *, modern: bool) -> bytes | None:
        """The object as it is listed in 2026-07-28, or in 2025-11-25 and before; None where that revision
        cannot carry it."""
        ...


class Description(msgspec.Struct, frozen=True):
    """What an endpoint says of itself at `initialize` and `server/discover`."""

    capabilities: dict[str, Any]
    server_info: dict[str, Any]
    instructions: str | None
    failing: tuple[str, ...]
    """Servers of the endpoint that are not up now, by name."""


class Catalog(Protocol):
    """Reads one consistent snapshot."""

    def entries(self, endpoint: str | None, kind: Kind) -> Sequence[Entry]:
        """Everything listed there, in stable order, before policy has filtered it."""
        ...

    def describe(self, endpoint: str | None, principal: Principal, kind: Kind | None = None) -> Description:
        """In the words of those servers that this caller may know of.

        With a `kind`, `failing` has those too that are up and did not say what they have of it.
        """
        ...

    async def refresh(self, endpoint: str | None, kind: Kind) -> None:
        """Returns when the lists behind `endpoint` are recent, or a bounded wait is over."""
        ...
