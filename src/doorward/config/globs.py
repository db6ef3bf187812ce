"""What a glob may look like in the document; what it means stands in `model/globs.py`."""

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
