"""`subscriptions/listen`: acknowledged, filtered, decided for its principal, and ended."""

import asyncio
import json
from typing import Any

import pytest

from doorward.model.target import Kind
from doorward.pipeline.listens import MOST_URIS, ON_STDIO, PER_OWNER
from doorward.pipeline.notices import Notices
from doorward.pipeline.views import View
from tests.playbook.house import BOT, Caller, House, body, error, legacy, modern

pytestmark = pytest.mark.asyncio
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
EVERYTHING = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
    "resourceSubscriptions": ["doc://rates", "acct://7", "doc://vault", "doc://rates"],
}


class Ears:
    """A caller's stream."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def emit(self, message: bytes) -> None:
        await self.open.wait()
        self.heard.append(json.loads(message))

    @property
    def told(self) -> list[tuple[str, Any]]:
        """What came after the acknowledgement: method and URI."""
        after = self.heard[1:]
        return [(one["method"].removeprefix("notifications/"), one["params"].get("uri")) for one in after]


class Listen:
    """One open listen of a caller."""

    def __init__(self, caller: Caller, given: Any, listen_id: Any, transport: str) -> None:
        self.ears = Ears()
        params = {"notifications": given}
        doing = caller.house.send(
            caller.message("subscriptions/listen", params, id=listen_id),
            headers=caller.fields("subscriptions/listen"),
            endpoint=caller.endpoint,
            secret=caller.secret,
            events=self.ears,
            transport=transport,
        )
        self.task = asyncio.create_task(doing)

    async def settled(self) -> "Listen":
        for _ in range(20):
            await asyncio.sleep(0)
        return self


async def listen(caller: Caller, given: Any, listen_id: Any = 1, transport: str = "http") -> Listen:
    return await Listen(caller, given, listen_id, transport).settled()


class Nobody:
    def listening(self) -> list[Any]:
        return []

    def listener(self, session_id: str) -> None:
        return None

    def push(self, session_id: str, message: bytes) -> bool:
        raise AssertionError("no legacy session listens here")


def notices(house: House) -> Notices:
    return Notices(Nobody(), house.listens, lambda: house.offer.policy)


def update(house: House, uri: str, server: str = "bank") -> None:
    holders = [
        (holder, wish.uris[uri])
        for (where, holder), wish in house.watched.wishes.items()
        if where == server and uri in wish.uris
    ]
    notices(house).resource_updated(server, uri, holders)


@pytest.mark.spec("DW-220")
@pytest.mark.parametrize("listen_id", [7, "7"], ids=repr)
async def test_the_first_message_says_what_is_honoured(listen_id: Any) -> None:
    house = House()

    one = await listen(await modern(house), EVERYTHING, listen_id)

    assert one.ears.heard == [
        {
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {
                "_meta": {SUBSCRIPTION: listen_id},
                "notifications": {
                    "toolsListChanged": True,
                    "promptsListChanged": True,
                    "resourcesListChanged": True,
                    "resourceSubscriptions": ["doc://rates", "acct://7"],
                },
            },
        }
    ]
    (wish,) = house.watched.wishes.values()
    assert (wish.owner, dict(wish.uris)) == (
        BOT.owner,
        {"doc://rates": "doc://rates", "acct://7": "acct://7"},
    )
    house.listens.close_all()
    assert body(await one.task)["result"] == {"resultType": "complete", "_meta": {SUBSCRIPTION: listen_id}}
    assert house.watched.wishes == {}


@pytest.mark.spec("DW-223")
async def test_what_may_not_be_read_and_what_does_not_exist_are_left_out_alike() -> None:
    house = House()
    caller = await modern(house, secret="other")

    hidden = await listen(caller, {"resourceSubscriptions": ["doc://rates"]}, 1)
    unknown = await listen(caller, {"resourceSubscriptions": ["doc://no-such"]}, 1)

    assert hidden.ears.heard == unknown.ears.heard
    assert "resourceSubscriptions" not in hidden.ears.heard[0]["params"]["notifications"]
    assert house.watched.wishes == {}


@pytest.mark.spec("DW-220")
async def test_what_the_server_refuses_is_not_honoured() -> None:
    house = House()
    house.watched.refused = {"acct://7"}

    one = await listen(await modern(house), {"resourceSubscriptions": ["doc://rates", "acct://7"]})
    nothing = await listen(await modern(house), {"resourceSubscriptions": ["acct://7"]}, 2)

    assert one.ears.heard[0]["params"]["notifications"] == {"resourceSubscriptions": ["doc://rates"]}
    assert nothing.ears.heard[0]["params"]["notifications"] == {}
    assert [dict(wish.uris) for wish in house.watched.wishes.values()] == [{"doc://rates": "doc://rates"}, {}]


@pytest.mark.spec("DW-221")
async def test_only_what_was_asked_for_is_told_and_in_the_name_of_its_listen() -> None:
    house = House()
    caller = await modern(house)
    rates = await listen(caller, {"resourceSubscriptions": ["doc://rates"]}, "r")
    account = await listen(caller, {"resourceSubscriptions": ["acct://7"]}, "a")

    update(house, "doc://rates")
    await rates.settled()

    assert rates.ears.told == [("resources/updated", "doc://rates")]
    assert rates.ears.heard[1]["params"]["_meta"] == {SUBSCRIPTION: "r"}
    assert account.ears.told == []


@pytest.mark.spec("DW-223")
async def test_each_notification_is_decided_by_the_rules_of_that_moment() -> None:
    house = House()
    one = await listen(await modern(house), {"resourceSubscriptions": ["doc://rates"]})

    house.offer.policy = House(grants=()).offer.policy
    update(house, "doc://rates")
    await one.settled()

    assert one.ears.told == []


@pytest.mark.spec("DW-224")
async def test_a_changed_list_is_told_to_those_who_see_the_change() -> None:
    house = House()
    sees = await listen(await modern(house), {"promptsListChanged": True})
    sees_not = await listen(await modern(house, secret="other"), {"promptsListChanged": True})
    wants_not = await listen(await modern(house), {"toolsListChanged": True})
    elsewhere = await listen(await modern(house, endpoint=None), {"promptsListChanged": True})
    prompts = house.offer.snapshot.listings["bank"].definitions[Kind.PROMPT]
    policy = house.offer.policy

    await notices(house).list_changed("bank", Kind.PROMPT, View(policy, ()), View(policy, prompts))
    await notices(house).list_changed("bank", Kind.PROMPT, View(policy, prompts), View(policy, prompts))
    await sees.settled()

    changed = [("prompts/list_changed", None)]
    assert (sees.ears.told, elsewhere.ears.told) == (changed, changed)
    assert (sees_not.ears.told, wants_not.ears.told) == ([], [])


@pytest.mark.spec("DW-231")
async def test_a_slow_reader_misses_repetitions_only_and_a_flood_fills_nothing() -> None:
    house = House()
    one = await listen(await modern(house), {"resourceSubscriptions": ["doc://rates", "acct://7"]})
    one.ears.open.clear()

    for _ in range(10_000):
        update(house, "doc://rates")
        update(house, "acct://7")
    await one.settled()
    one.ears.open.set()
    await one.settled()

    assert one.ears.told.count(("resources/updated", "doc://rates")) in (1, 2)
    assert one.ears.told.count(("resources/updated", "acct://7")) in (1, 2)


@pytest.mark.spec("DW-231")
@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {"toolsListChanged": "yes"},
        {"resourceSubscriptions": "doc://rates"},
        {"resourceSubscriptions": [1]},
        {"resourceSubscriptions": [f"doc://{n}" for n in range(MOST_URIS + 1)]},
    ],
    ids=["none", "array", "flag", "string", "number", "one too many"],
)
async def test_a_filter_that_is_none(given: Any) -> None:
    house = House()

    one = await listen(await modern(house), given)

    assert error(await one.task)[1:] == (-32602, "invalid_params")
    assert len(house.listens) == 0


@pytest.mark.spec("DW-231")
async def test_a_filter_of_a_hundred_thousand_entries_is_not_even_read() -> None:
    house = House()

    one = await listen(await modern(house), {"resourceSubscriptions": ["doc://rates"] * 100_000})

    assert error(await one.task)[1:] == (-32600, "invalid_request")
    assert house.watched.wishes == {}


@pytest.mark.spec("DW-220")
async def test_a_filter_of_nothing_is_honoured_as_such() -> None:
    house = House()
    one = await listen(await modern(house), {"somethingNew": True})
    assert one.ears.heard[0]["params"]["notifications"] == {}


@pytest.mark.spec("DW-223")
async def test_a_listen_is_one_decision_however_much_is_told() -> None:
    house = House()
    one = await listen(await modern(house), EVERYTHING)

    for _ in range(100):
        update(house, "doc://rates")
        await one.settled()
    house.listens.close_all()
    await one.task

    assert house.happened == ["decision", "outcome"]


@pytest.mark.spec("DW-229")
async def test_a_caller_that_is_gone_is_forgotten() -> None:
    house = House()
    one = await listen(await modern(house), EVERYTHING)

    one.task.cancel()
    await one.settled()

    assert len(house.listens) == 0
    assert house.watched.wishes == {}
    assert house.log.kind("outcome")[0]["result"]["outcome"] == "cancelled"


@pytest.mark.spec("DW-229")
async def test_on_stdio_a_notification_ends_it() -> None:
    house = House()
    caller = await modern(house)
    one = await listen(caller, EVERYTHING, 5, "stdio")

    note = caller.message("notifications/cancelled", {"requestId": 5})
    await house.send(note, transport="stdio", endpoint=caller.endpoint)
    answer = await one.task

    assert answer.body == b""
    assert len(house.listens) == 0


@pytest.mark.spec("DW-231")
@pytest.mark.parametrize(("transport", "most"), [("http", PER_OWNER), ("stdio", ON_STDIO)])
async def test_an_owner_may_not_have_any_number_of_them(transport: str, most: int) -> None:
    house = House()
    caller = await modern(house)
    for number in range(most):
        await listen(caller, {"toolsListChanged": True}, number, transport)

    late = await listen(caller, {"toolsListChanged": True}, most, transport)
    other = await listen(await modern(house, secret="other"), {"toolsListChanged": True}, most + 1, transport)

    assert error(await late.task)[2] == "overloaded"
    assert not other.task.done()


@pytest.mark.spec("DW-232")
async def test_the_listens_of_a_revoked_key_end() -> None:
    house = House()
    mine = await listen(await modern(house), EVERYTHING)
    other = await listen(await modern(house, secret="other"), EVERYTHING)

    house.listens.close_where(lambda principal: principal == BOT)
    await mine.settled()

    assert mine.task.done()
    assert not other.task.done()


@pytest.mark.spec("DW-229")
async def test_a_stopping_gateway_takes_no_other_listen() -> None:
    house = House()
    house.listens.close_all()
    late = await listen(await modern(house), EVERYTHING)
    assert error(await late.task)[2] == "shutting_down"


@pytest.mark.spec("DW-229")
async def test_a_caller_without_a_stream_cannot_listen() -> None:
    answer = await (await modern(House())).ask("subscriptions/listen", {"notifications": {}})
    assert error(answer)[2] == "not_acceptable"


@pytest.mark.spec("DW-052")
async def test_the_legacy_era_has_no_such_method() -> None:
    answer = await (await legacy(House())).ask("subscriptions/listen", {"notifications": {}})
    assert error(answer)[1] == -32601
