"""The names under which the aggregate endpoint shows what its servers call otherwise.

A name is made here once and looked up ever after; nobody takes it apart. LLM APIs commonly accept
`^[A-Za-z0-9_-]{1,64}$` only, and hosts put their own prefix in front (research brief 5).
"""

import hashlib
import re
from collections.abc import Container
from itertools import count
from typing import Final

MAX_LENGTH: Final = 64
SEPARATOR: Final = "__"
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9_-]")
_HASH_DIGITS: Final = 8


def expose(server: str, tool: str, taken: Container[str]) -> str:
    """`server__tool`; where that is too long, has other characters or is taken: cut, with a hash of both
    names.

    `taken` holds the names given out so far in lower case: two names that differ in case only would be one to
    many a client. The result depends on nothing but the three arguments.
    """
    plain = f"{server}{SEPARATOR}{tool}"
    if len(plain) <= MAX_LENGTH and not _UNUSUAL.search(plain) and plain.lower() not in taken:
        return plain
    readable = _UNUSUAL.sub("_", plain)[: MAX_LENGTH - _HASH_DIGITS - 1]
    # The number ends a collision; NUL separates what could otherwise be cut in two ways.
    digests = (hashlib.sha256(f"{server}\0{tool}\0{n}".encode()).hexdigest() for n in count())
    names = (f"{readable}_{digest[:_HASH_DIGITS]}" for digest in digests)
    return next(name for name in names if name.lower() not in taken)
