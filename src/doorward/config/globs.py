"""Globs in which `*` stands for any run of characters, and nothing else is special."""

from typing import Final

_SPECIAL_ELSEWHERE: Final = "?[]{}"


def check(pattern: str, *, uri: bool = False) -> str:
    """The pattern itself. Raises ValueError when somebody may expect more of it than it does.

    `?`, brackets and braces are refused: other tools give them a meaning. In a resource URI `?` is text.
    """
    if not pattern:
        raise ValueError("a glob cannot be empty")
    if pattern != pattern.strip():
        raise ValueError("a glob cannot start or end with a space")
    for char in _SPECIAL_ELSEWHERE:
        if char in pattern and not (uri and char == "?"):
            raise ValueError(f'"{char}" is not special in a glob: only * is')
    return pattern


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name fits. Linear in the name for each star: no backtracking."""
    head, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, tail = rest
    if not name.startswith(head) or len(name) < len(head) + len(tail) or not name.endswith(tail):
        return False
    at, end = len(head), len(name) - len(tail)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
