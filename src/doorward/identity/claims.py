"""What claims say, typed and bounded; each issuer calls them differently. Pure.

A claim that is there and is not what it has to be refuses the token: to read it as absent would be to read
something that nobody has said.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

Path = tuple[str, ...]
"""Names of members, from the outermost in."""

TEN_YEARS: Final = 10 * 366 * 86400
MAX_TEXT: Final = 512
MAX_WORDS: Final = 1000
"""Scopes, groups or roles of one token; 8 KiB hold no more of any use."""
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+")  # RFC 6749 section 3.3, scope-token


def at(claims: Mapping[str, Any], path: Path) -> Any:
    """The claim at a path, None where there is none."""
    value: Any = claims
    for name in path:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def first(claims: Mapping[str, Any], paths: Iterable[Path]) -> Any:
    """The claim at the first of these paths at which there is one."""
    for path in paths:
        value = at(claims, path)
        if value is not None:
            return value
    return None


def text(value: Any, what: str) -> str:
    """Raises ValueError for what is no text, empty, too long, or has characters that are not shown."""
    if type(value) is not str or not value:
        raise ValueError(f"{what} is missing, or is no text")
    if len(value) > MAX_TEXT or not value.isprintable():
        raise ValueError(f"{what} is too long, or has characters that are not shown")
    return value


def optional(value: Any, what: str) -> str | None:
    """As `text`, for what may be missing. Raises ValueError."""
    return None if value is None else text(value, what)


def scopes(value: Any) -> frozenset[str]:
    """Exact words, of a text with blanks between them (RFC 8693 section 4.2) or of a list; never parts of
    words. Raises ValueError."""
    if value is None or value == "":
        return frozenset()
    words = value.split(" ") if type(value) is str else value
    if type(words) is not list or len(words) > MAX_WORDS:
        raise ValueError("the scope is neither text nor a list of words")
    if not all(type(word) is str and _SCOPE.fullmatch(word) for word in words):
        raise ValueError("a scope has characters that no scope has")
    return frozenset(words)


def words(names: Iterable[str]) -> frozenset[str]:
    """Of names, those that a scope can have."""
    return frozenset(name for name in names if _SCOPE.fullmatch(name))


def names(value: Any, what: str) -> frozenset[str]:
    """Of groups or roles: a list, or one of them. Raises ValueError."""
    found = [value] if type(value) is str else [] if value is None else value
    if type(found) is not list or len(found) > MAX_WORDS:
        raise ValueError(f"{what} is no list of names")
    return frozenset(text(name, f"a name in {what}") for name in found)


def audience(value: Any) -> frozenset[str]:
    """RFC 7519 section 4.1.3: text, or a list of texts. Raises ValueError."""
    found = [value] if type(value) is str else value
    if type(found) is not list or not found or len(found) > MAX_WORDS:
        raise ValueError("aud is missing, or is neither text nor a list")
    if not all(type(one) is str for one in found):
        raise ValueError("aud is no list of texts")
    return frozenset(found)


def date(value: Any, what: str, now: float) -> int:
    """Seconds since 1970, as an integer, within ten years of now. Raises ValueError."""
    if type(value) is not int:
        raise ValueError(f"{what} is missing, or is no integer")
    if abs(value - now) > TEN_YEARS:
        raise ValueError(f"{what} is more than ten years away")
    return value


class Expired(ValueError):
    """Everything else may be right with it."""


def times(claims: Mapping[str, Any], now: float, skew: float) -> float:
    """Until when it may be relied on, in seconds since 1970: `exp`, and what clocks may differ by.

    Raises Expired and ValueError (RFC 7519 sections 4.1.4 to 4.1.6). `exp` has to be there.
    """
    until = date(claims.get("exp"), "exp", now) + skew
    if now >= until:
        raise Expired("the token has expired")
    for name, words in (("nbf", "is not valid yet"), ("iat", "was issued in the future")):
        if name in claims and date(claims[name], name, now) > now + skew:
            raise ValueError(f"the token {words}")
    return until
