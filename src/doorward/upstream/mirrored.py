"""Tools whose annotated arguments no client can mirror into header fields.

A client over Streamable HTTP must leave such a tool out of the list, and say so, while the others are used
(2026-07-28, transports, "Schema Extension"). On stdio, and in earlier revisions, it means nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from doorward.wire.param_headers import invalid_annotations

AT_ONCE: Final = 64
"""Schemas looked at before others have their turn: some 20 us each, and a list may have ten thousand."""
SHOWN: Final = 5


async def offered(tools: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
    """Those that can be called, and a sentence for the operator about the others."""
    kept: list[dict[str, Any]] = []
    faults: list[str] = []
    for at, tool in enumerate(tools, 1):
        wrong = invalid_annotations(tool.get("inputSchema"))
        if wrong:
            faults.append(f"{str(tool.get('name'))[:64]!r} ({wrong[0][:200]})")
        else:
            kept.append(tool)
        if not at % AT_ONCE:
            await asyncio.sleep(0)
    if not faults:
        return kept, None
    more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return kept, f"tools left out for their header annotations: {', '.join(faults[:SHOWN])}{more}"
