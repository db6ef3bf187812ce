"""Ours against the peers, input by input: which differences there are, and which nobody has explained."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.attack.framing import explained, node, requests, responses
from tests.attack.framing.explained import Ask, Explanation
from tests.attack.framing.view import View, difference


@dataclass(frozen=True)
class Side:
    """One direction: how we read it, who else does, and what is known of the differences."""

    name: str
    ours: Callable[[Sequence[bytes]], View]
    peers: Mapping[str, Ask]
    kind: bytes
    """Node's word for it."""
    rules: Sequence[Explanation]


EDGE = Side(
    "requests",
    requests.doorward,
    {"h11": requests.via_h11, "llhttp": requests.via_httptools},
    node.REQUESTS,
    explained.REQUESTS,
)
UPSTREAM = Side(
    "responses", responses.doorward, {"h11": responses.via_h11}, node.RESPONSES, explained.RESPONSES
)
SIDES = (EDGE, UPSTREAM)


@dataclass
class Judgement:
    """What came out of many inputs."""

    inputs: int = 0
    accepted: int = 0
    """Inputs of which we took at least one message."""
    comparisons: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[tuple[str, bytes, str]] = field(default_factory=list)
    """Peer, input, difference."""


def judge(side: Side, inputs: Sequence[bytes], nodejs: node.Node | None) -> Judgement:
    """Compares everything with everyone; without Node only with the parsers in this process."""
    found = Judgement(inputs=len(inputs))
    ours = [side.ours([data]) for data in inputs]
    found.accepted = sum(bool(view.messages) for view in ours)
    for peer, ask, theirs in _views(side, inputs, nodejs):
        for data, mine, other in zip(inputs, ours, theirs, strict=True):
            found.comparisons += 1
            text = difference(mine, other)
            if text is None:
                continue
            rules = reasons(side, data, peer, ask)
            if rules is None:
                found.unexplained.append((peer, data, text))
            else:
                found.explained.update(rule.name for rule in rules)
    return found


def reasons(side: Side, data: bytes, peer: str, ask: Ask) -> list[Explanation] | None:
    """The rows that explain a difference; None when it is unexplained."""
    return explained.explain(data, peer, lambda left: side.ours([left]), ask, side.rules)


def _views(
    side: Side, inputs: Sequence[bytes], nodejs: node.Node | None
) -> Iterator[tuple[str, Ask, Sequence[View]]]:
    for peer, ask in side.peers.items():
        yield peer, ask, [ask(data) for data in inputs]
    if nodejs is not None:
        yield "node", lambda data: nodejs.ask(side.kind, [data])[0], nodejs.ask(side.kind, inputs)
