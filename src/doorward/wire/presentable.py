"""What a server says of itself and of what it offers, as it may be shown.

Pure. Nobody here is asked to trust a server's words; what is taken out is what a client would act on by
itself: addresses of pictures that it fetches or opens, names that a screen shows as something else, and
members of `_meta` by which the gateway speaks.
"""

import unicodedata
from typing import Any, Final

SIGNATURE: Final = "dev.doorward/"
"""Keys of `_meta` by which the gateway speaks for itself; a server may not sign as we do."""
_SAFE_SOURCES: Final = ("https://", "data:image/")
"""MCP 2025-11-25, "Icons": clients MUST reject javascript:, file:, ftp:, ws: and what opens applications;
HTTPS and `data:` are what is left."""
_UNKNOWN: Final = ("Cn", "Co")
"""Unicode categories without a meaning that Python knows: not assigned, private use."""


def can_be_shown(name: str) -> bool:
    """Whether a name or URI is what a reader sees: no control character, no line or paragraph separator, no
    invisible one that turns or hides what stands around it (Unicode Cc, Cf, Zl, Zp), no blank but U+0020."""
    return name.isprintable() or not any(_hides(character) for character in name)


def _hides(character: str) -> bool:
    # What Unicode has assigned since this Python was made is printable to others.
    return not character.isprintable() and unicodedata.category(character) not in _UNKNOWN


def presentable(said: dict[str, Any]) -> dict[str, Any]:
    """A listed object, or an Implementation, without unsafe icons and keys of ours; else the very same."""
    changed: dict[str, Any] = {}
    if "icons" in said:
        icons = _safe_icons(said["icons"])
        if icons != said["icons"]:
            changed["icons"] = icons
    meta = said.get("_meta")
    if isinstance(meta, dict) and any(key.startswith(SIGNATURE) for key in meta):
        changed["_meta"] = {key: value for key, value in meta.items() if not key.startswith(SIGNATURE)}
    if not changed:
        return said
    return {name: value for name, value in (said | changed).items() if name != "icons" or value}


def _safe_icons(icons: Any) -> list[dict[str, Any]]:
    return [icon for icon in icons if _is_safe(icon)] if isinstance(icons, list) else []


def _is_safe(icon: Any) -> bool:
    source = icon.get("src") if isinstance(icon, dict) else None
    return isinstance(source, str) and source.lower().startswith(_SAFE_SOURCES) and can_be_shown(source)
