"""What of a client's extensions a server is told (MCP 2026-07-28, "Extensions"; research brief 1).

Pure. An extension may bring methods, results and ways to ask that nobody here would know, inspect or refuse
by name, so those pass that are listed here and no others. MCP Apps (SEP-1865) is one: what it brings are
resources and `_meta`, which pass anyway; servers only want to know whether their pages can be shown.
Extensions about authorization concern the client's own leg, and tasks are not offered.
"""

from collections.abc import Mapping
from typing import Any, Final

from doorward.wire.meta import PREFIX

APPS: Final = PREFIX + "ui"
MAX_TYPES: Final = 16
"""Media types of one client; what comes after them is not passed on."""
MAX_TYPE: Final = 128
"""Characters of one of them."""


def passed(capabilities: Mapping[str, Any]) -> dict[str, Any]:
    """`{"extensions": ...}` with what of the client's own goes on; empty when there is nothing of that."""
    said = capabilities.get("extensions")
    apps = said.get(APPS) if isinstance(said, dict) else None
    if not isinstance(apps, dict):
        return {}
    types = apps.get("mimeTypes")
    kept = [one for one in types if _is_type(one)][:MAX_TYPES] if isinstance(types, list) else None
    return {"extensions": {APPS: {} if kept is None else {"mimeTypes": kept}}}


def _is_type(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TYPE and value.isascii() and value.isprintable()
