"""What is measured: the names, and how they pair up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BASELINE = "nginx"
GATEWAYS = ("relay", "governed", "relay_tls")


class UnknownName(Exception):
    """A name in BENCH that no measurement bears."""


@dataclass(frozen=True)
class Reply:
    """What comes back, and from which endpoint: the name of a server in relay.yaml."""

    echo_set: str  # what the echo upstream calls them
    least_bytes: int
    endpoint: str = "echo"
    modern: bool = False  # caller and upstream speak 2026-07-28
    yardstick: str | None = None  # the replies that nginx is measured with, when it cannot serve these
    tls: bool = False  # spoken by the caller, at a listener of its own


@dataclass(frozen=True)
class Measurement:
    target: str
    reply: str
    connections: int

    @property
    def name(self) -> str:
        return f"{self.target}_{self.reply}_c{self.connections}"

    @property
    def place(self) -> str:
        """The name of the target on the stage."""
        return f"{self.target}_tls" if REPLIES[self.reply].tls else self.target

    @property
    def yardstick(self) -> Measurement:
        """What its `ratio_nginx` is taken over."""
        return Measurement(BASELINE, REPLIES[self.reply].yardstick or self.reply, self.connections)


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
        found = [Measurement(target, self.reply, self.connections) for target in ordered]
        return [one.yardstick if one.target == BASELINE else one for one in found]


# `json_*` draws from prepared records (docs.py), because a scanner is only measured on what it has not seen;
# `flat_1k` is one text for ever, the easiest case, kept apart from it. The least size of a good reply tells a
# prepared one from a refusal, which also comes with status 200.
REPLIES = {
    "json_1k": Reply(echo_set="json_1k", least_bytes=900),
    "json_10k": Reply(echo_set="json_10k", least_bytes=9_000),
    "json_64k": Reply(echo_set="json_64k", least_bytes=60_000),
    "flat_1k": Reply(echo_set="flat", least_bytes=1_000),
    "sse_1k": Reply(echo_set="json_1k", least_bytes=900, endpoint="stream"),
    "modern_1k": Reply(echo_set="json_1k", least_bytes=900, endpoint="modern", modern=True),
    "tls_1k": Reply(echo_set="json_1k", least_bytes=900, tls=True),
    "stdio_1k": Reply(echo_set="json_1k", least_bytes=900, endpoint="pipe", yardstick="json_1k"),
}

EVERYTHING = (
    Pair("json_1k", 1, (BASELINE, "direct", "relay", "governed")),
    Pair("json_1k", 16, (BASELINE, "direct", "relay", "governed")),
    Pair("json_1k", 64, (BASELINE, "direct", "relay", "governed")),
    Pair("json_10k", 16, (BASELINE, "direct", "relay", "governed")),
    Pair("json_64k", 1, (BASELINE, "direct", "relay")),
    Pair("json_64k", 16, (BASELINE, "direct", "relay", "governed")),
    Pair("json_64k", 64, (BASELINE, "direct", "relay")),
    Pair("flat_1k", 16, (BASELINE, "direct", "relay", "governed")),
    Pair("sse_1k", 16, (BASELINE, "direct", "relay")),
    Pair("modern_1k", 16, (BASELINE, "direct", "relay")),
    Pair("stdio_1k", 16, (BASELINE, "relay")),
    Pair("tls_1k", 16, (BASELINE, "relay")),
)

HALF_LOAD = "relay_half_load"
REFUSED = {"refused_request": 401, "refused_malformed": 400}
BESIDE = {
    "small_beside_1mb": 1_000_000,
    "small_beside_1mb_table": 1_000_000,
    "small_beside_4mb": 4_000_000,
    "small_beside_4mb_table": 4_000_000,
}
"""Bytes of the large caller's arguments: a text, or a table of small records."""
IDLE = ("idle_sse_connection", "connections_2000")
SESSION = "idle_session"
"""Sessions without a stream: sessions.py."""
AGGREGATE = "aggregate_1k_c16"
"""The call of relay_json_1k_c16 through /mcp, beside it."""
CROSS = {"cross_l2m_1k_c16": (False, "modern"), "cross_m2l_1k_c16": (True, "echo")}
"""The same call by a caller of the other era: whether that one is modern, and the endpoint it calls."""
LISTS = ("list_13000_cold", "list_13000_warm", "list_13000")
"""Of 200 servers with 65 tools each: listing.py."""
IDENTITY = ("key_cached", "token_cached", "jwt_cold", "token_flood")
"""Who is asking: identity.py."""
REVOCATION = "revocation"
"""How long somebody gets through who was just blocked: revocation.py."""
EVIDENCE = {"audit_buffered": "cost", "audit_verify_1m": "verify", "audit_query_1m": "query"}
"""Parts of the audit log alone: evidence.py."""
API = "api_beside"
"""Calls beside somebody who asks the admin API all the while: api.py."""
STRICT = "strict_json_1k_c16"
"""The call of relay_json_1k_c16 at a server all of whose calls wait for the disk, beside it."""
SCENES = (
    *(*IDLE, SESSION, *REFUSED, HALF_LOAD, *BESIDE, API, AGGREGATE, STRICT, *CROSS),
    *(*LISTS, *IDENTITY, REVOCATION, *EVIDENCE),
)
"""Figures that are no single run of calls at one target: scenes.py."""


def names(pairs: Iterable[Pair] = EVERYTHING, scenes: Iterable[str] = SCENES) -> list[str]:
    found = [m.name for pair in pairs for m in pair.measurements(reverse=False)]
    return [*dict.fromkeys(found), *scenes]


def subset(wanted: list[str]) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """The pairs for some names, each with its nginx run (a time without a ratio says nothing), and the scenes
    among them."""
    unknown = [name for name in wanted if name not in names()]
    if unknown:
        raise UnknownName(f"no measurement is called {', '.join(unknown)}; there are: {', '.join(names())}")
    chosen = []
    for pair in EVERYTHING:
        targets = [
            target
            for target in pair.targets
            if Measurement(target, pair.reply, pair.connections).name in wanted
        ]
        if targets:
            others = tuple(target for target in targets if target != BASELINE)
            chosen.append(Pair(pair.reply, pair.connections, (BASELINE, *others)))
    return tuple(chosen), tuple(scene for scene in SCENES if scene in wanted)


def gateways(pairs: Iterable[Pair], scenes: Iterable[str] = ()) -> list[str]:
    """Those that have to run. The refused key of one is a good key of the other."""
    used = {one.place for pair in pairs for one in pair.measurements(reverse=False)}
    if set(scenes) - {*IDLE, API, *LISTS, *IDENTITY, *EVIDENCE}:
        used |= {"relay", "governed"}
    return [name for name in GATEWAYS if name in used]
