"""The names under which the aggregate endpoint shows what its servers call otherwise.

A name is made here once and looked up ever after; nobody takes it apart. LLM APIs commonly accept
`^[A-Za-z0-9_-]{1,64}$` only, and hosts put their own prefix in front (research brief 5).

What a name means never changes to something else: it depends on its server alone, whose own name has no `_`
(config/settings.py), and not on the order in which that lists its tools. A tool that gets a twin in another
case loses its plain name to nobody.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from itertools import count
from typing import Final

from doorward.model.steps import Steps, drained

MAX_LENGTH: Final = 64
SEPARATOR: Final = "__"
STEP: Final = 64
"""Names between two pauses."""
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9_-]")
_HASH_DIGITS: Final = 8
_HASHED: Final = re.compile(rf"_[0-9a-fA-F]{{{_HASH_DIGITS}}}\Z")


def expose(server: str, tools: Iterable[str]) -> dict[str, str]:
    """By each of one server's own names the one that the aggregate shows: `server__tool`.

    Cut, with a hash of both names, where that is too long, has other characters, ends as if it were cut, or
    differs from another one in case only: two such names would be one to many a client.
    """
    return drained(expose_steps(server, tools))


def expose_steps(server: str, tools: Iterable[str]) -> Steps[dict[str, str]]:
    """`expose` in steps of some 0.1 ms."""
    own = sorted(set(tools))
    yield
    plain = [f"{server}{SEPARATOR}{tool}" for tool in own]
    yield
    alike = Counter(name.lower() for name in plain)
    yield
    shown: dict[str, str] = {}
    odd: list[tuple[str, str]] = []
    for at, (tool, name) in enumerate(zip(own, plain, strict=True), 1):
        if _is_plain(name) and alike[name.lower()] == 1:
            shown[tool] = name
        else:
            odd.append((tool, name))
        if not at % STEP:
            yield
    taken: set[str] = set()
    for at, (tool, name) in enumerate(odd, 1):
        shown[tool] = _hashed(server, tool, name, taken)
        taken.add(shown[tool].lower())
        if not at % STEP:
            yield
    return shown


def _is_plain(name: str) -> bool:
    return len(name) <= MAX_LENGTH and not _UNUSUAL.search(name) and not _HASHED.search(name)


def _hashed(server: str, tool: str, plain: str, taken: set[str]) -> str:
    readable = _UNUSUAL.sub("_", plain)[: MAX_LENGTH - _HASH_DIGITS - 1]
    # The number ends a collision; NUL separates what could otherwise be cut in two ways.
    digests = (hashlib.sha256(f"{server}\0{tool}\0{n}".encode()).hexdigest() for n in count())
    names = (f"{readable}_{digest[:_HASH_DIGITS]}" for digest in digests)
    return next(name for name in names if name.lower() not in taken)
