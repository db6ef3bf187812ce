"""What is measured: the names, and how they pair up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BASELINE = "nginx"
GATEWAYS = ("relay", "governed")


class UnknownName(Exception):
    """A name in BENCH that no measurement bears."""


@dataclass(frozen=True)
class Reply:
    echo_set: str  # what the echo upstream calls them
    least_bytes: int


@dataclass(frozen=True)
class Measurement:
    target: str
    reply: str
    connections: int

    @property
    def name(self) -> str:
        return f"{self.target}_{self.reply}_c{self.connections}"


@dataclass(frozen=True)
class Pair:
    """Measurements that differ in their target only.

    They run one after the other, so that what the machine does beside them meets nginx and the gateway alike;
    their ratio is the figure that can be compared between machines.
    """

    reply: str
    connections: int
    targets: tuple[str, ...]

    def measurements(self, reverse: bool) -> list[Measurement]:
        ordered = reversed(self.targets) if reverse else self.targets
        return [Measurement(target, self.reply, self.connections) for target in ordered]


# `json_*` draws from prepared records (docs.py), because a scanner is only measured on what it has not seen;
# `flat_1k` is one text for ever, the easiest case, kept apart from it. The least size of a good reply tells a
# prepared one from a refusal, which also comes with status 200.
REPLIES = {
    "json_1k": Reply(echo_set="json_1k", least_bytes=900),
    "json_64k": Reply(echo_set="json_64k", least_bytes=60_000),
    "flat_1k": Reply(echo_set="flat", least_bytes=1_000),
}

EVERYTHING = (
    Pair("json_1k", 1, (BASELINE, "direct", "relay", "governed")),
    Pair("json_1k", 16, (BASELINE, "direct", "relay", "governed")),
    Pair("json_1k", 64, (BASELINE, "direct", "relay", "governed")),
    Pair("json_64k", 1, (BASELINE, "direct", "relay")),
    Pair("json_64k", 16, (BASELINE, "direct", "relay", "governed")),
    Pair("json_64k", 64, (BASELINE, "direct", "relay")),
    Pair("flat_1k", 16, (BASELINE, "direct", "relay", "governed")),
)


def names(pairs: Iterable[Pair] = EVERYTHING) -> list[str]:
    return [m.name for pair in pairs for m in pair.measurements(reverse=False)]


def subset(wanted: list[str]) -> tuple[Pair, ...]:
    """The pairs for some names, each with its nginx run: a time without a ratio says nothing."""
    unknown = [name for name in wanted if name not in names()]
    if unknown:
        raise UnknownName(f"no measurement is called {', '.join(unknown)}; there are: {', '.join(names())}")
    chosen = []
    for pair in EVERYTHING:
        targets = [m.target for m in pair.measurements(reverse=False) if m.name in wanted]
        if targets:
            others = tuple(target for target in targets if target != BASELINE)
            chosen.append(Pair(pair.reply, pair.connections, (BASELINE, *others)))
    return tuple(chosen)


def gateways(pairs: Iterable[Pair]) -> list[str]:
    used = {target for pair in pairs for target in pair.targets}
    return [name for name in GATEWAYS if name in used]
