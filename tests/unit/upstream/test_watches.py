"""What is kept open at a server for those who listen, in both eras, with losses and refusals."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from doorward.model.call import Era, Session
from doorward.model.errors import CallerError, UpstreamError
from doorward.model.grants import PolicySpec
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Facts, Mode, Permit
from doorward.policy.engine import Engine
from doorward.ports.watched import Wish
from doorward.upstream import watches
from doorward.upstream.failure import failure
from doorward.upstream.introduction import Introduction
from doorward.upstream.live import Answer, Live
from doorward.upstream.relay import Relay
from doorward.upstream.watches import MOST_TEXT, MOST_URIS, Watches
from doorward.wire import jsonrpc
from doorward.wire.meta import SUBSCRIPTION_ID
from tests.playbook.house import BOT
from tests.unit.catalog.build import call

pytestmark = pytest.mark.asyncio
ALL = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": False},
    "resources": {"listChanged": True, "subscribe": True},
}
LISTED = {"toolsListChanged": True, "resourcesListChanged": True}
ALL_LISTS = [(None, f"{name}/list_changed", None) for name in ("tools", "prompts", "resources")]
"""Each is asked for by itself (app/process.py)."""


class Conversation:
    """With a server that takes what it does not refuse."""

    def __init__(self, host: "Host", key: str | None) -> None:
        self.host = host
        self.key = key
        self.era = host.era
        self.introduction = Introduction("v", host.capabilities, {}, None)
        self.usable = True
        self.busy = 0
        self.last_used = 0.0
        self.log_level = None
        self.streams = 0
        self.said: list[tuple[str, str]] = []
        self.filters: list[dict[str, Any]] = []
        self.open: dict[int, asyncio.Event] = {}

    async def listens(self, due: float) -> None:
        if self.host.gate is not None:
            await self.host.gate.wait()
        self.streams += 1

    async def request(self, live: Live, params: dict[str, Any], schema: object = None) -> Answer:
        await asyncio.sleep(0)
        self.said.append((live.method.removeprefix("resources/"), params["uri"]))
        if params["uri"] in self.host.refuses:
            return jsonrpc.UpstreamError(live.id, -32602, "no", None)
        return jsonrpc.UpstreamResult(live.id, b"{}")

    async def listen_on(self, live: Live, params: dict[str, Any]) -> None:
        if self.host.down:
            raise failure(Reason.UPSTREAM_UNREACHABLE, "s", "is down")
        wanted = params["notifications"]
        self.filters.append(wanted)
        ended = self.open[live.id] = asyncio.Event()
        honoured = dict(wanted)
        if "resourceSubscriptions" in honoured:
            honoured["resourceSubscriptions"] = [
                uri for uri in honoured["resourceSubscriptions"] if uri not in self.host.refuses
            ]
        said = {"notifications": honoured, "_meta": {SUBSCRIPTION_ID: live.id}}
        self.host.relay.unrelated(
            jsonrpc.UpstreamNotification("notifications/subscriptions/acknowledged", said), None
        )
        try:
            await ended.wait()
        finally:
            del self.open[live.id]

    async def close(self, within: float) -> None: ...
    async def notify(self, method: str, params: dict[str, Any] | None) -> None: ...


class Host:
    """Implements watches.Host."""

    def __init__(self, era: Era, *, shared: bool = False) -> None:
        self.name = "s"
        self.era = era
        self.shared = shared
        self.capabilities: dict[str, Any] = ALL
        self.refuses: set[str] = set()
        self.down = False
        self.gate: asyncio.Event | None = None
        """What its own stream waits for, if anything."""
        self.relay = Relay()
        self.relay.on_notification = lambda key, method, params: self.told.append(
            (key, method.removeprefix("notifications/"), params.get("uri"))
        )
        self.told: list[tuple[str | None, str, str | None]] = []
        self.conversations: dict[str | None, Conversation] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self._ids = 0
        self.watches = Watches(self)

    async def ready(self) -> Era:
        return self.era

    async def conversation(self, key: str | None) -> Conversation:
        if self.down:
            raise failure(Reason.UPSTREAM_UNREACHABLE, "s", "is down")
        found = self.conversations.get(key)
        if found is None or not found.usable:
            found = self.conversations[key] = Conversation(self, key)
        return found

    def found(self, key: str | None) -> Conversation | None:
        return self.conversations.get(key)

    def key_of(self, session: str | None, owner: str) -> str | None:
        return None if self.shared or self.era is Era.MODERN else session or owner

    def live(self, method: str) -> Live:
        self._ids += 1
        return Live("s", self._ids, method, None, asyncio.get_running_loop().time() + 5.0)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def ask(self, method: str, uri: str, session: str = "a", principal: Principal = BOT) -> Answer:
        permit = permitted(f"resources/{method}", uri, session, principal)
        conversation = await self.conversation(self.key_of(session, principal.owner))
        return await self.watches.pass_on(permit, conversation, self.live(method_of(permit)), {"uri": uri})

    async def settled(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    @property
    def main(self) -> Conversation:
        return self.conversations[None]


def method_of(permit: Permit) -> str:
    return permit.call.method


POLICY = Engine.build(PolicySpec({}, {"s": Mode.AUDIT}, "r"), {"s": []})


def permitted(method: str, uri: str, session: str, principal: Principal) -> Permit:
    """As the spine has it; the caller's own name of the resource is `my+` its URI."""
    asked = replace(
        call(method, {"uri": f"my+{uri}"}, "s"),
        session=Session(session, principal.owner, "s", "2025-11-25", {}, {}),
    )
    target = Target("s", Kind.RESOURCE, uri, OperationClass.READ)
    allowed = POLICY.decide(principal, target, {})
    made = POLICY.conclude(asked, principal, target, allowed, Facts(), "d1")
    assert isinstance(made, Permit)
    return made


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "LOOK_S", 0.01)
    monkeypatch.setattr(watches, "FIRST_WAIT_S", 0.01)


def wish(*uris: str, lists: bool = False, session: str | None = None, owner: str = "o") -> Wish:
    return Wish(session, owner, {uri: f"my+{uri}" for uri in uris}, lists)


@pytest.mark.spec("DW-226")
async def test_legacy_each_conversation_is_subscribed_to_what_its_own_listeners_want() -> None:
    host = Host(Era.LEGACY)

    host.watches.want("listen:1", wish("u:1", owner="anna"))
    host.watches.want("listen:2", wish("u:1", "u:2", owner="otto"))
    await host.settled()

    anna, otto = host.conversations["anna"], host.conversations["otto"]
    assert anna.said == [("subscribe", "u:1")]
    assert otto.said == [("subscribe", "u:1"), ("subscribe", "u:2")]
    assert anna.streams
    assert host.watches.holders("anna", "u:1") == [("listen:1", "my+u:1")]
    assert host.watches.holders("anna", "u:2") == []
    assert host.watches.holders("somebody", "u:1") == []
    await host.watches.close()


@pytest.mark.spec("DW-226")
async def test_legacy_shared_the_last_one_to_go_unsubscribes() -> None:
    host = Host(Era.LEGACY, shared=True)
    host.watches.want("listen:1", wish("u:1"))
    host.watches.want("listen:2", wish("u:1"))
    await host.settled()
    assert {holder for holder, _ in host.watches.holders(None, "u:1")} == {"listen:1", "listen:2"}

    host.watches.want("listen:1", None)
    await host.settled()
    assert host.main.said == [("subscribe", "u:1")]

    host.watches.want("listen:2", None)
    await host.settled()
    assert host.main.said == [("subscribe", "u:1"), ("unsubscribe", "u:1")]
    assert not host.tasks, "nobody listens: nothing runs"


async def test_legacy_a_callers_own_request_is_sent_as_it_is_and_kept() -> None:
    host = Host(Era.LEGACY, shared=True)

    answers = [await host.ask("subscribe", "u:1", session) for session in "ab"]
    assert [type(one) for one in answers] == [jsonrpc.UpstreamResult] * 2
    assert host.watches.holders(None, "u:1") == [("a", "my+u:1"), ("b", "my+u:1")]

    await host.ask("unsubscribe", "u:1", "a")
    await host.settled()
    assert host.main.said == [("subscribe", "u:1")] * 2, "another session shares the conversation"
    assert host.watches.holders(None, "u:1") == [("b", "my+u:1")]
    await host.ask("unsubscribe", "u:1", "b")
    await host.settled()
    assert host.main.said[2:] == [("unsubscribe", "u:1")]


@pytest.mark.spec("DW-226")
async def test_legacy_what_the_server_refuses_is_answered_so_and_not_kept() -> None:
    host = Host(Era.LEGACY)
    host.refuses = {"u:1"}
    assert isinstance(await host.ask("subscribe", "u:1"), jsonrpc.UpstreamError)
    assert host.watches.wishes == {}


@pytest.mark.parametrize("era", list(Era))
async def test_a_session_may_not_subscribe_to_any_number(era: Era) -> None:
    host = Host(era)
    host.watches.want("a", wish(*(f"u:{n}" for n in range(MOST_URIS)), session="a"))
    with pytest.raises(CallerError) as caught:
        await host.ask("subscribe", "u:more")
    assert caught.value.reason is Reason.INVALID_PARAMS
    assert isinstance(await host.ask("unsubscribe", "u:1"), jsonrpc.UpstreamResult)
    await host.watches.close()


@pytest.mark.parametrize("era", list(Era))
async def test_all_sessions_of_an_owner_may_not_subscribe_to_any_amount(era: Era) -> None:
    host = Host(era)
    long = "u:" + "x" * (MOST_TEXT // 2)
    host.watches.want("b", wish(long, session="b", owner=BOT.owner))
    host.watches.want("c", wish("v:" + long, session="c", owner="somebody else"))
    assert isinstance(await host.ask("subscribe", "u:1"), jsonrpc.UpstreamResult)
    with pytest.raises(CallerError, match="in all sessions") as caught:
        await host.ask("subscribe", long + "y")
    assert caught.value.reason is Reason.INVALID_PARAMS

    host.watches.want("b", None)
    assert isinstance(await host.ask("subscribe", long + "y"), jsonrpc.UpstreamResult)
    host.watches.want("a", None)
    host.watches.want("c", None)
    assert not host.watches.wishes
    await host.watches.close()


async def test_legacy_a_lost_conversation_is_opened_again_and_everything_said_to_have_changed() -> None:
    host = Host(Era.LEGACY)
    host.watches.want("listen:1", wish("u:1", "u:2", owner="anna"))
    await host.settled()

    first = host.conversations["anna"]
    first.usable = False
    await asyncio.sleep(0.1)

    again = host.conversations["anna"]
    assert again is not first
    assert again.said == [("subscribe", "u:1"), ("subscribe", "u:2")]
    assert host.told == [("anna", "resources/updated", "u:1"), ("anna", "resources/updated", "u:2")]
    await host.watches.close()


async def test_legacy_a_conversation_that_is_only_listened_to_is_in_use() -> None:
    host = Host(Era.LEGACY)
    host.watches.want("listen:1", wish("u:1", owner="anna"))
    host.watches.want("gateway", wish(lists=True))
    await host.settled()

    host.watches.keep(77.0)

    assert host.conversations["anna"].last_used == 77.0
    assert host.main.streams
    assert host.main.said == []
    await host.watches.close()


@pytest.mark.spec("DW-227")
async def test_modern_one_listen_carries_what_all_want_and_no_more() -> None:
    host = Host(Era.MODERN)
    host.watches.want("listen:1", wish("u:2", owner="anna"))
    host.watches.want("listen:2", wish("u:1", "u:2", owner="otto"))
    host.watches.want("gateway", wish(lists=True))
    await host.settled()

    assert host.main.filters == [{**LISTED, "resourceSubscriptions": ["u:1", "u:2"]}]
    assert host.watches.holders(None, "u:2") == [("listen:1", "my+u:2"), ("listen:2", "my+u:2")]

    host.watches.want("listen:2", None)
    host.watches.want("gateway", None)
    await host.settled()
    assert host.main.filters[1:] == [{"resourceSubscriptions": ["u:2"]}]
    assert len(host.main.open) == 1, "the new one is acknowledged before the old one ends, and then it ends"

    host.watches.want("listen:1", None)
    await host.settled()
    assert host.main.open == {}
    assert host.told == ALL_LISTS, "lists are asked for once when one begins to listen"
    assert not host.tasks
    assert host.relay.listens == {}


@pytest.mark.spec("DW-227")
async def test_modern_what_the_server_does_not_offer_is_not_asked_for() -> None:
    host = Host(Era.MODERN)
    host.capabilities = {"tools": {}}
    host.watches.want("listen:1", wish("u:1"))
    host.watches.want("gateway", wish(lists=True))
    await host.settled()
    assert host.main.filters == []
    await host.watches.close()


@pytest.mark.spec("DW-228")
async def test_modern_a_lost_listen_is_opened_again_and_what_was_missed_is_asked_for() -> None:
    host = Host(Era.MODERN)
    host.watches.want("listen:1", wish("u:1"))
    host.watches.want("gateway", wish(lists=True))
    await host.settled()

    (ended,) = host.main.open.values()
    host.told.clear()
    host.down = True
    ended.set()
    await asyncio.sleep(0.05)
    assert host.told == []
    host.down = False
    await asyncio.sleep(0.3)

    assert len(host.main.filters) == 2
    assert host.told == [(None, "resources/updated", "u:1"), *ALL_LISTS]
    await host.watches.close()
    assert host.main.open == {}


@pytest.mark.spec("DW-227")
async def test_modern_a_legacy_caller_subscribes_through_the_filter() -> None:
    host = Host(Era.MODERN)
    host.refuses = {"u:2"}
    await host.conversation(None)

    taken, refused = await asyncio.gather(host.ask("subscribe", "u:1"), host.ask("subscribe", "u:2"))
    assert isinstance(taken, jsonrpc.UpstreamResult)
    assert isinstance(refused, jsonrpc.UpstreamError)
    assert refused.data == {"uri": "u:2"}
    await host.settled()
    assert host.main.filters[-1] == {"resourceSubscriptions": ["u:1"]}
    assert host.watches.holders(None, "u:1") == [("a", "my+u:1")]

    assert isinstance(await host.ask("unsubscribe", "u:1"), jsonrpc.UpstreamResult)
    await host.settled()
    assert host.main.open == {}


@pytest.mark.spec("DW-227")
async def test_modern_a_server_that_cannot_subscribe_refuses_at_once() -> None:
    host = Host(Era.MODERN)
    host.capabilities = {"resources": {}}
    assert isinstance(await host.ask("subscribe", "u:1"), jsonrpc.UpstreamError)
    assert host.watches.wishes == {}


async def test_modern_a_server_that_is_down_is_said_to_be() -> None:
    host = Host(Era.MODERN)
    await host.conversation(None)
    host.down = True
    with pytest.raises(UpstreamError) as caught:
        await host.ask("subscribe", "u:1")
    assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
    assert host.watches.wishes == {}
    await host.watches.close()


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("file:///a/b", "my+file:///a/b"),
        ("file:///a/b/c/d.txt", "my+file:///a/b/c/d.txt"),
        ("file:///a/b/../c", None),
        ("file:///a/b/%2E%2e/c", None),
        ("file:///a/b/.", None),
        ("file:///a/b/..c", "my+file:///a/b/..c"),
        ("file:///a/bc", None),
        ("file:///a", None),
        ("other:///a/b/c", None),
        ("", None),
    ],
)
async def test_a_server_may_name_what_is_below_a_subscribed_resource(said: str, known: str | None) -> None:
    host = Host(Era.LEGACY)
    host.watches.want("listen:1", wish("file:///a/b", owner="anna"))
    found = host.watches.holders("anna", said)
    assert found == ([("listen:1", known)] if known is not None else [])
    await host.watches.close()


@pytest.mark.parametrize("era", list(Era))
async def test_a_listener_learns_what_the_server_has_taken(era: Era) -> None:
    host = Host(era, shared=True)
    host.refuses = {"u:2"}
    host.watches.want("listen:1", wish("u:1", "u:2"))

    assert await host.watches.settled("listen:1") == {"u:1"}
    host.watches.want("listen:1", wish("u:1"))
    assert await host.watches.settled("listen:1") == {"u:1"}
    assert await host.watches.settled("listen:2") == frozenset()

    await host.settled()
    assert ("unsubscribe", "u:2") not in host.main.said
    await host.watches.close()


@pytest.mark.parametrize("era", list(Era))
async def test_what_a_server_takes_too_late_is_said_to_have_changed(
    era: Era, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "SETTLE_S", 0.05)
    host = Host(era, shared=True)
    host.down = True
    host.watches.want("listen:1", wish("u:1"))
    assert await host.watches.settled("listen:1") == {"u:1"}
    assert host.told == []
    host.down = False
    await asyncio.sleep(0.3)
    assert host.told == [(None, "resources/updated", "u:1")]
    await host.watches.close()


@pytest.mark.spec("DW-226")
async def test_legacy_a_server_is_subscribed_to_when_it_is_listened_to() -> None:
    """Servers without an event store forget what they say before."""
    host = Host(Era.LEGACY)
    host.gate = asyncio.Event()
    host.watches.want("listen:1", wish("u:1", owner="anna"))
    host.watches.want("gateway", wish(lists=True))
    asking = asyncio.create_task(host.ask("subscribe", "u:2", "otto"))
    await host.settled()
    assert host.conversations["anna"].said == host.conversations["otto"].said == []
    assert host.told == []

    host.gate.set()
    await asking
    await host.settled()
    assert host.conversations["anna"].said == [("subscribe", "u:1")]
    assert host.conversations["otto"].said == [("subscribe", "u:2")]
    assert host.told == ALL_LISTS
    await host.watches.close()


@pytest.mark.spec("DW-228")
async def test_legacy_what_a_stream_may_have_missed_is_said_to_have_changed() -> None:
    host = Host(Era.LEGACY)
    host.watches.want("listen:1", wish("u:1", "u:2", owner="anna"))
    host.watches.want("listen:2", wish("u:3", owner="otto"))
    await host.settled()
    assert host.told == []

    host.relay.on_deafness("anna")
    updated = [("anna", "resources/updated", "u:1"), ("anna", "resources/updated", "u:2")]
    assert host.told == updated

    host.watches.want("gateway", wish(lists=True))
    await host.settled()
    host.told.clear()
    host.relay.on_deafness("anna")
    assert host.told == [*updated, *ALL_LISTS]
    await host.watches.close()
    host.relay.on_deafness("anna")
    assert len(host.told) == len(updated) + len(ALL_LISTS)
