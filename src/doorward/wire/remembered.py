"""What a session keeps of its client's `initialize`, however much that said.

A caller may have a thousand sessions, and a text of 64 KB can be a megabyte of lists and objects once it is
read. So what is small is kept as it came, and of the rest what is ever asked for: which questions a server
may put to the client, which of its extensions servers hear of, and what it calls itself.
"""

from collections.abc import Mapping
from typing import Any, Final

from doorward.wire import asking, extensions, strict

MAX_CAPABILITIES: Final = 1024
"""Bytes. The SDKs' clients declare some 100."""
MAX_CLIENT: Final = 1024
"""Bytes of `clientInfo`: larger ones have pictures in them."""
MAX_WORD: Final = 128
"""Characters of a name that is cut."""
_WORDS: Final = ("name", "title", "version")


def capabilities(said: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Of a client of this revision."""
    if len(strict.encode(said)) <= MAX_CAPABILITIES:
        return dict(said)
    known = asking.declared(said, tuple(asking.KINDS.values()), version)
    return {
        kind: {name: value if isinstance(value, bool) else {} for name, value in parts.items()}
        for kind, parts in known.items()
    } | extensions.passed(said)


def client(said: Mapping[str, Any]) -> dict[str, Any]:
    """`clientInfo`."""
    if len(strict.encode(said)) <= MAX_CLIENT:
        return dict(said)
    return {name: said[name][:MAX_WORD] for name in _WORDS if isinstance(said.get(name), str)}
