"""Patterns in which `*` stands for any run of characters: matching, overlap and coverage.

Cedar's `like` has the same meaning (Cedar reference, "like"); what is decided on a list of names is expanded
here, what is decided on a URI is left to Cedar.
"""

import re
from typing import Final

_EXPRESSION: Final = re.compile(r"\{[^{}]*\}")
_ANY: Final = "\ufdd0"  # a Unicode noncharacter: stands for "a character that no pattern spells out"


class Pattern:
    """One glob, prepared. Matching is linear in the text: there is nothing to backtrack into."""

    __slots__ = ("_first", "_last", "_least", "_middle", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        first, *rest = text.split("*")
        self._first = first
        self._last = rest.pop() if rest else None
        self._middle = tuple(part for part in rest if part)
        self._least = len(text) - text.count("*")

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` fits."""
        if self._last is None:
            return text == self._first
        if len(text) < self._least or not (text.startswith(self._first) and text.endswith(self._last)):
            return False
        at, end = len(self._first), len(text) - len(self._last)
        for part in self._middle:
            at = text.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True

    def covers(self, other: "Pattern") -> bool:
        """Whether everything that `other` matches is matched by this one.

        Exact: a star of `other` can stand for a character that this pattern does not spell out, and only
        a star can match that one.
        """
        return self.matches(other.text.replace("*", _ANY))

    def overlaps(self, other: "Pattern") -> bool:
        """Whether some text is matched by both."""
        mine, theirs = _squeezed(self.text), _squeezed(other.text)
        # reach[j]: what is left of `mine` from i on and of `theirs` from j on have a text in common.
        reach = [theirs[j:] in ("", "*") for j in range(len(theirs) + 1)]
        for i in range(len(mine) - 1, -1, -1):
            row = [False] * len(theirs) + [mine[i] == "*" and reach[-1]]
            for j in range(len(theirs) - 1, -1, -1):
                if mine[i] == "*":  # it ends here, or takes one more of theirs
                    row[j] = reach[j] or row[j + 1]
                elif theirs[j] == "*":
                    row[j] = row[j + 1] or reach[j]
                else:
                    row[j] = mine[i] == theirs[j] and reach[j + 1]
            reach = row
        return reach[0]


def template_pattern(template: str) -> Pattern:
    """What a URI template (RFC 6570) may expand to, from above: every expression as `*`."""
    return Pattern(_EXPRESSION.sub("*", template))


def _squeezed(text: str) -> str:
    return re.sub(r"\*+", "*", text)
