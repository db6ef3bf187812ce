"""What is kept open for those who listen, in both eras and in any order of wishes, losses and refusals.

In the end the server is asked for what is wanted and for nothing else; nobody hears of what it did not want.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from doorward.model.call import Era
from doorward.ports.watched import Wish
from doorward.upstream import watches as module
from doorward.upstream.live import Answer, Live
from doorward.upstream.watches import Watches
from doorward.upstream.wished import Wished
from doorward.wire import jsonrpc
from tests.fuzz.machine import Machine, bounded, finds
from tests.unit.upstream.test_watches import LISTED, Conversation, Host

URIS = [f"u:{n}" for n in range(4)] + ["u:1/a", "u:1/../2"]
HOLDERS = st.sampled_from(["listen:1", "listen:2", "s1", "s2"])
OWNERS = {"listen:1": "ann", "listen:2": "bob", "s1": "ann", "s2": "bob"}


class Counted(Conversation):
    """Knows what its server is subscribed to; what was refused is not."""

    def __init__(self, host: Host, key: str | None) -> None:
        super().__init__(host, key)
        self.subscribed: set[str] = set()
        self.refused: set[str] = set()

    async def request(self, live: Live, params: dict[str, Any], schema: object = None) -> Answer:
        answer = await super().request(live, params, schema)
        uri = params["uri"]
        if live.method == "resources/unsubscribe":
            self.subscribed.discard(uri)
        elif isinstance(answer, jsonrpc.UpstreamError):
            self.refused.add(uri)
        else:
            self.subscribed.add(uri)
        return answer


class Place(Host):
    async def conversation(self, key: str | None) -> Conversation:
        found = self.conversations.get(key)
        if not self.down and (found is None or not found.usable):
            self.conversations[key] = Counted(self, key)
        return await super().conversation(key)


class WatchesMachine(Machine):
    """One server; four holders of two owners, two of them legacy sessions with conversations of their own."""

    PATIENCE_S = 10.0

    @initialize(era=st.sampled_from(list(Era)), shared=st.booleans())
    def build(self, era: Era, shared: bool) -> None:
        async def build() -> Host:
            return Place(era, shared=shared)

        self.host = self.run(build())
        self.wanted: dict[str, Wish] = {}

    @rule(holder=HOLDERS, uris=st.sets(st.sampled_from(URIS[:4]), max_size=3), lists=st.booleans())
    def want(self, holder: str, uris: set[str], lists: bool) -> None:
        session = holder if holder.startswith("s") else None
        wish = Wish(session, OWNERS[holder], {uri: f"my+{uri}" for uri in uris}, lists)
        self.tell(holder, wish)
        self.wanted.pop(holder, None)
        if uris or lists:
            self.wanted[holder] = wish

    def tell(self, holder: str, wish: Wish | None) -> None:
        async def tell() -> None:
            self.host.watches.want(holder, wish)

        self.run(tell())

    @rule(holder=HOLDERS)
    def leave(self, holder: str) -> None:
        self.tell(holder, None)
        self.wanted.pop(holder, None)

    @rule(refused=st.sets(st.sampled_from(URIS[:4]), max_size=2))
    def refuse(self, refused: set[str]) -> None:
        self.host.refuses = refused

    @rule(down=st.booleans())
    def fall(self, down: bool) -> None:
        self.host.down = down

    @rule()
    def lose(self) -> None:
        """Every conversation and every listen ends."""
        for conversation in self.host.conversations.values():
            if self.host.era is Era.LEGACY:
                conversation.usable = False
            for ended in conversation.open.values():
                ended.set()
        self.settle()

    @rule()
    def go_on(self) -> None:
        self.settle(5)

    @rule(uri=st.sampled_from(URIS), key=st.sampled_from([None, "ann", "bob", "s1", "s2"]))
    def hear(self, uri: str, key: str | None) -> None:
        """Only those are told who want it, in whose conversation it was said."""
        told = self.host.watches.holders(key, uri)
        for holder, known_as in told:
            wish = self.wanted[holder]
            assert key is None or self.host.key_of(wish.session, wish.owner) == key
            assert any(uri == one or (uri == "u:1/a" and one == "u:1") for one in wish.uris)
            assert known_as == f"my+{uri}"
        assert len(told) == len({holder for holder, _ in told})
        exact = {
            holder
            for holder, wish in self.wanted.items()
            if uri in wish.uris and (key is None or self.host.key_of(wish.session, wish.owner) == key)
        }
        assert exact <= {holder for holder, _ in told}

    async def quiet(self) -> None:
        async with asyncio.timeout(self.PATIENCE_S):
            while not self.fits():  # noqa: ASYNC110 - there is nothing to be woken by
                await asyncio.sleep(0.002)

    def fits(self) -> bool:
        """Whether the server is asked for what is wanted, and for nothing else."""
        if self.host.era is Era.MODERN:
            return self.fits_modern()
        for key, conversation in self.host.conversations.items():
            if not conversation.usable:
                continue
            assert isinstance(conversation, Counted)
            needed = self.needed(key)
            if not needed - conversation.refused <= conversation.subscribed <= needed:
                return False
        wanted = {self.host.key_of(wish.session, wish.owner) for wish in self.wanted.values() if wish.uris}
        return all((one := self.host.conversations.get(key)) is not None and one.usable for key in wanted)

    def needed(self, key: str | None) -> set[str]:
        mine = [wish for wish in self.wanted.values() if self.host.key_of(wish.session, wish.owner) == key]
        return {uri for wish in mine for uri in wish.uris}

    def fits_modern(self) -> bool:
        main = self.host.conversations.get(None)
        uris = sorted({uri for wish in self.wanted.values() for uri in wish.uris})
        lists = any(wish.lists for wish in self.wanted.values())
        expected = (LISTED if lists else {}) | ({"resourceSubscriptions": uris} if uris else {})
        if main is None:
            return not expected
        return len(main.open) == bool(expected) and (not expected or main.filters[-1] == expected)

    def finish(self) -> None:
        if not hasattr(self, "host"):
            return
        self.host.down = False
        self.run(self.quiet())
        for holder in list(self.wanted):
            self.leave(holder)
        self.run(self.quiet())
        self.run(self.host.watches.close())
        self.settle()
        assert self.host.watches.wishes == {}


TestWatches = WatchesMachine.TestCase
TestWatches.settings = bounded(40, 30)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.002)
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.002)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.02)


def test_news_of_another_conversation_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Watches.holders
    monkeypatch.setattr(Watches, "holders", lambda self, _, uri: honest(self, None, uri))
    finds(WatchesMachine)


def test_a_subscription_that_nobody_wants_any_more_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Wished.needed

    def lie(self: Wished, key: str | None) -> Iterable[Mapping[str, str]]:
        before = self.__dict__.setdefault("before", {}).setdefault(key, {})
        for uris in honest(self, key):
            before.update(uris)
        return [before]

    monkeypatch.setattr(Wished, "needed", lie)
    monkeypatch.setattr(WatchesMachine, "PATIENCE_S", 0.3)
    finds(WatchesMachine)
