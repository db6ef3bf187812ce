"""The protocol revisions that are spoken, and how one is agreed on."""

from typing import Final

from doorward.model.call import Era

LEGACY_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Oldest first: `initialize`, sessions."""
LATEST_LEGACY: Final = LEGACY_VERSIONS[-1]
ASSUMED: Final = "2025-03-26"
"""What a legacy HTTP request without MCP-Protocol-Version speaks, unless its session knows better
(2025-06-18)."""
BATCH_VERSION: Final = "2025-03-26"
"""The only revision with JSON-RPC batches."""
MAX_BATCH: Final = 64
"""Messages in one of them."""
MODERN: Final = "2026-07-28"
MODERN_VERSIONS: Final = (MODERN,)
"""Per-request `_meta`, no sessions."""


def negotiate(requested: str) -> str:
    """The version to answer `initialize` with: the requested one if it is legacy and known, else our latest.

    A client that asks for a modern version by `initialize` is counter-offered too: that handshake has no
    modern form.
    """
    return requested if requested in LEGACY_VERSIONS else LATEST_LEGACY


def era_of(version: str) -> Era:
    """Raises ValueError for a version that we do not speak."""
    if version in LEGACY_VERSIONS:
        return Era.LEGACY
    if version in MODERN_VERSIONS:
        return Era.MODERN
    raise ValueError("unknown protocol version")
