"""How commands have operations carried out, over HTTP or on the store; light, as each command loads it."""

from collections.abc import Mapping
from typing import Any, Protocol


class Send(Protocol):
    """One operation of the API, wherever it is carried out."""

    def __call__(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """`path`: behind /api/v1. Raises Refused, ValueError, DoorwardError."""
        ...
