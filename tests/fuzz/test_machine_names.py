"""Names and URIs at the aggregate while servers come, go and list other things: nothing that one server does
changes what another one's are called, no two are alike, and each leads back to where it came from."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from doorward.catalog import indexes
from doorward.catalog.route import SnapshotRouter
from doorward.catalog.snapshot import Snapshot, unknown
from doorward.model.principal import Principal
from doorward.model.target import Kind
from doorward.wire import uris
from doorward.wire.presentable import can_be_shown
from tests.fuzz.machine import Machine, bounded, finds
from tests.unit.catalog import build

ME = Principal("t", "s", "a", "none")
SERVERS = ["a", "a-b", "b", "0", "ui", "x"]
ODD = [
    "a__b",
    "A__B",
    "_b",
    "__b",
    "b__c",
    "x" * 70,
    "x" * 69 + "y",
    "b_00000000",
    "größe",
    "a.b",
    "a/b",
    "a b",
]
NAMES = st.lists(
    st.sampled_from(ODD) | st.text(min_size=1, max_size=70).filter(can_be_shown), unique=True, max_size=5
).map(tuple)
PLACES = st.lists(
    st.sampled_from(
        ["file:///a", "b+file:///a", "ui://card", "ui://b/card", "x.0+u:1", "+", "ui://", "a+", "x.x.0+u"]
    )
    | st.text(min_size=1, max_size=20).filter(can_be_shown),
    unique=True,
    max_size=4,
).map(tuple)
KINDS = (Kind.TOOL, Kind.PROMPT, Kind.RESOURCE, Kind.TEMPLATE)


class NamesMachine(Machine):
    """Up to six servers; a configuration has them all from its beginning, a reload brings others."""

    @initialize(servers=st.sets(st.sampled_from(SERVERS), min_size=1))
    def build(self, servers: set[str]) -> None:
        self.listings = {name: unknown(name) for name in sorted(servers)}
        self.offer = Snapshot(self.listings)
        self.called: dict[tuple[Kind, str], tuple[str, str]] = {}

    @rule(server=st.sampled_from(SERVERS), tools=NAMES, prompts=NAMES, resources=PLACES, templates=PLACES)
    def list(
        self,
        server: str,
        tools: tuple[str, ...],
        prompts: tuple[str, ...],
        resources: tuple[str, ...],
        templates: tuple[str, ...],
    ) -> None:
        if server not in self.listings:
            return
        said = build.listing(server, tools=tools, prompts=prompts, resources=resources, templates=templates)
        self.listings[server] = said
        self.offer = self.offer.with_listing(said)

    @rule(servers=st.sets(st.sampled_from(SERVERS), min_size=1))
    def reload(self, servers: set[str]) -> None:
        self.listings = {name: self.listings.get(name, unknown(name)) for name in sorted(servers)}
        self.offer = Snapshot(self.listings)

    @invariant()
    def what_is_shown_leads_back(self) -> None:
        if not hasattr(self, "offer"):
            return
        router = SnapshotRouter(self.offer, lambda *_: True)
        for kind in KINDS:
            index = self.offer.index(None).of(kind)
            shown = [one.exposed for one in index.entries]
            if kind in (Kind.TOOL, Kind.PROMPT):
                assert len({name.lower() for name in shown}) == len(shown)
                assert all(len(name) <= 64 and name.isascii() for name in shown)
            else:
                assert len(set(shown)) == len(shown)
                assert all(uris.own(uri) is not None for uri in shown)
            assert len(shown) == sum(len(one.definitions.get(kind, ())) for one in self.listings.values())
            for entry in index.entries:
                target = entry.target
                assert index.targets[entry.exposed] is target
                if kind is Kind.TOOL:
                    asked = build.call("tools/call", {"name": entry.exposed}, None)
                    assert router.route(asked, ME).key == target.key
                elif kind is Kind.RESOURCE:
                    asked = build.call("resources/read", {"uri": entry.exposed}, None)
                    assert router.route(asked, ME).key == target.key
                    assert uris.own(entry.exposed) == (target.server, target.name)

    @invariant()
    def a_name_never_becomes_another_tools(self) -> None:
        """A twin may change what a tool is called, but what it was called then is nobody else's, ever."""
        for kind in KINDS if hasattr(self, "offer") else ():
            for entry in self.offer.index(None).of(kind).entries:
                key = (kind, entry.exposed.lower() if kind in (Kind.TOOL, Kind.PROMPT) else entry.exposed)
                mine = (entry.target.server, entry.target.name)
                if self.called.setdefault(key, mine) != mine:
                    before = self.called[key]
                    assert before[0] == mine[0]
                    assert before[1].lower() == mine[1].lower()


TestNames = NamesMachine.TestCase
TestNames.settings = bounded(60, 15)


def test_names_without_their_server_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = indexes.names.expose_steps
    monkeypatch.setattr(indexes.names, "expose_steps", lambda _, tools: honest("same", tools))
    finds(NamesMachine)


def test_uris_without_their_server_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes.uris, "expose", lambda _, uri: uri)
    finds(NamesMachine)
