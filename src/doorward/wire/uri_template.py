"""Whether a URI can have come of an RFC 6570 template, levels 1 to 3.

Conservative: a variable never swallows a delimiter that its operator would have encoded, and what is not
understood, or takes too long, matches nothing, so a URI goes to a server only when its template plainly
covers it.
Templates and URIs are both untrusted: time is linear in the URI, with a bound on the template.
"""

import re
from typing import Final

MAX_EXPRESSIONS: Final = 16
MAX_LENGTH: Final = 2048
MAX_STEPS: Final = 20_000
"""Of one run; a plain template takes a few for each character, a hostile one dozens."""

_EXPRESSION: Final = re.compile(
    r"\{([+#./;?&]?)([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*(?:,[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)*)\}"
)
_SEGMENT: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$'()*+,;=:@&"
)
"""RFC 3986 pchar. RFC 6570 would have most delimiters encoded; clients fill in `{email}` without."""
_VALUE: Final = _SEGMENT - frozenset("&;")
_RESERVED: Final = _SEGMENT | frozenset("/?#[]")

_FORMS: Final[dict[str, tuple[str, str, frozenset[str]]]] = {
    "": ("", ",", _SEGMENT),
    "+": ("", ",", _RESERVED),
    "#": ("#", ",", _RESERVED),
    ".": (".", ".", _SEGMENT),
    "/": ("/", "/", _SEGMENT),
}
"""First character, separator and alphabet by operator."""
_NAMED: Final = {"?": ("?", "&"), "&": ("&", "&"), ";": (";", ";")}


class _Automaton:
    """A nondeterministic automaton without epsilon cycles: `steps[state]` is what consumes a character
    there."""

    def __init__(self) -> None:
        self.steps: list[list[tuple[frozenset[str], int]]] = [[]]
        self.skips: list[list[int]] = [[]]

    def state(self) -> int:
        self.steps.append([])
        self.skips.append([])
        return len(self.steps) - 1

    def literal(self, state: int, text: str) -> int:
        for character in text:
            following = self.state()
            self.steps[state].append((frozenset(character), following))
            state = following
        return state

    def run(self, state: int, alphabet: frozenset[str]) -> int:
        """One character of the alphabet or more."""
        following = self.state()
        self.steps[state].append((alphabet, following))
        self.steps[following].append((alphabet, following))
        return following

    def accepts(self, text: str) -> bool:
        final = len(self.steps) - 1
        states = self._closed({0})
        steps = 0
        for character in text:
            steps += len(states)
            if steps > MAX_STEPS:
                return False
            states = self._closed(
                {to for state in states for alphabet, to in self.steps[state] if character in alphabet}
            )
            if not states:
                return False
        return final in states

    def _closed(self, states: set[int]) -> set[int]:
        waiting = list(states)
        while waiting:
            for to in self.skips[waiting.pop()]:
                if to not in states:
                    states.add(to)
                    waiting.append(to)
        return states


def matches(template: str, uri: str) -> bool:
    """Whether the whole URI fits. Case-sensitive; False for a template of level 4, malformed or over the
    bounds.

    A list `{x,y}` matches with all of its variables or with the first few; a query in the order of the
    template, with any of its members left out. Variables of a path match one character or more.
    """
    if max(len(template), len(uri)) > MAX_LENGTH:
        return False
    pieces = _EXPRESSION.split(template)
    literals, operators, lists = pieces[::3], pieces[1::3], pieces[2::3]
    if len(operators) > MAX_EXPRESSIONS or any("{" in literal or "}" in literal for literal in literals):
        return False
    automaton = _Automaton()
    state = automaton.literal(0, literals[0])
    for operator, variables, literal in zip(operators, lists, literals[1:], strict=True):
        names = variables.split(",")
        if operator in _NAMED:
            state = _named(automaton, state, operator, names)
        else:
            state = _listed(automaton, state, operator, len(names))
        state = automaton.literal(state, literal)
    automaton.skips[state].append(automaton.state())
    return automaton.accepts(uri)


def _listed(automaton: _Automaton, state: int, operator: str, count: int) -> int:
    """`{a,b}`: values one after the other. Only the ones after the first may be missing."""
    first, separator, alphabet = _FORMS[operator]
    alphabet = alphabet if count == 1 else alphabet - frozenset(separator)
    ends = []
    for position in range(count):
        state = automaton.literal(state, separator if position else first)
        state = automaton.run(state, alphabet)
        ends.append(state)
    return _joined(automaton, ends)


def _named(automaton: _Automaton, state: int, operator: str, names: list[str]) -> int:
    """`{?a,b}`: name=value pairs in this order, any of them missing, a missing all included."""
    first, separator = _NAMED[operator]
    ends = [state]
    for name in names:
        reached = automaton.state()
        value = automaton.state()
        for end in ends:
            lead = first if end == ends[0] else separator
            equals = automaton.literal(end, f"{lead}{name}=")
            automaton.skips[equals].append(value)
        automaton.steps[value].append((_VALUE, value))
        automaton.skips[value].append(reached)
        ends.append(reached)
    return _joined(automaton, ends)


def _joined(automaton: _Automaton, ends: list[int]) -> int:
    meeting = automaton.state()
    for end in ends:
        automaton.skips[end].append(meeting)
    return meeting
