"""Patterns in which `*` is any run of characters and nothing else is special, as in Cedar's `like`."""


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of `text` fits. Case-sensitive, linear in pattern and text."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
