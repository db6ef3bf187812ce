"""One endpoint, several servers: what is listed, and what comes back, can be asked for there."""

import dataclasses
import json
from typing import Any

import msgspec
import pytest

from doorward.catalog.route import SnapshotRouter
from doorward.model.call import Outcome, Reply
from doorward.model.verdict import Mode, Permit
from tests.playbook.house import ERAS, House, body, error, legacy, modern
from tests.playbook.test_listening import listen, update
from tests.unit.policy.build import grant, scope

pytestmark = pytest.mark.asyncio
RATES = "bank+doc://rates"


def says(result: dict[str, Any]):
    async def script(permit: Permit) -> Reply:
        return Reply(msgspec.json.encode(result), None, Outcome.OK, upstream_s=0.001)

    return script


@pytest.mark.spec("DW-330")
@pytest.mark.parametrize("era", ERAS)
async def test_what_is_listed_is_read_under_that_uri_and_judged_under_the_servers_own(era) -> None:
    house = House()
    caller = await era(house, endpoint=None)
    (listed,) = body(await caller.ask("resources/list"))["result"]["resources"]
    (template,) = body(await caller.ask("resources/templates/list"))["result"]["resourceTemplates"]
    house.forget()
    house.servers.script = says({"contents": [{"uri": "doc://rates", "text": "doc://rates"}]})

    read = body(await caller.ask("resources/read", {"uri": listed["uri"]}))["result"]

    assert (listed["uri"], template["uriTemplate"]) == (RATES, "bank+acct://{id}")
    assert read["contents"] == [{"uri": RATES, "text": "doc://rates"}]
    assert house.servers.sent[0].target.key == ("bank", "resource", "doc://rates")
    decision, outcome = house.log.records
    mcp = decision["mcp"]
    assert (mcp["server"], mcp["name"], mcp["asked"]) == ("bank", "doc://rates", RATES)
    assert outcome["result"]["bytes"] == len(msgspec.json.encode(read))


@pytest.mark.spec("DW-330")
@pytest.mark.parametrize("era", ERAS)
async def test_a_uri_that_is_expanded_from_a_template_goes_to_its_server(era) -> None:
    house = House()
    caller = await era(house, endpoint=None)

    assert "result" in body(await caller.ask("resources/read", {"uri": "bank+acct://12"}))
    assert house.servers.sent[0].target.key == ("bank", "resource", "acct://12")


@pytest.mark.spec("DW-331")
@pytest.mark.parametrize("era", ERAS)
async def test_a_link_in_a_result_can_be_followed(era) -> None:
    house = House()
    caller = await era(house, endpoint=None)
    house.servers.script = says({"content": [{"type": "resource_link", "uri": "doc://rates", "name": "r"}]})

    (link,) = body(await caller.ask("tools/call", {"name": "bank__balance"}))["result"]["content"]
    await caller.ask("resources/read", {"uri": link["uri"]})

    assert link["uri"] == RATES
    assert house.servers.sent[1].target.name == "doc://rates"


@pytest.mark.spec("DW-332")
async def test_completion_is_asked_with_the_servers_own_reference() -> None:
    house = House()
    caller = await legacy(house, endpoint=None)
    argument = {"name": "id", "value": "1"}

    answer = await caller.ask(
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "bank+acct://{id}"}, "argument": argument},
    )

    assert "result" in body(answer)
    assert house.servers.sent[0].target.key == ("bank", "template", "acct://{id}")
    mcp = house.log.records[0]["mcp"]
    assert (mcp["name"], mcp["asked"]) == ("acct://{id}", "bank+acct://{id}")


@pytest.mark.spec("DW-222")
async def test_an_update_is_told_under_the_uri_that_was_asked_for() -> None:
    house = House()
    asked = [RATES, "bank+acct://7", "doc://rates", "files+doc://rates", "bank+doc://vault"]
    one = await listen(await modern(house, endpoint=None), {"resourceSubscriptions": asked})

    update(house, "doc://rates")
    await one.settled()

    assert one.ears.heard[0]["params"]["notifications"] == {"resourceSubscriptions": asked[:2]}
    assert one.ears.told == [("resources/updated", RATES)]
    house.listens.close_all()
    await one.task


@pytest.mark.spec("DW-333")
async def test_the_record_has_both_names_of_a_tool_and_at_its_own_endpoint_one() -> None:
    house = House()
    for endpoint, name in ((None, "bank__balance"), ("bank", "balance"), (None, "bank__close_account")):
        caller = await modern(house, endpoint=endpoint)
        for _ in range(2):  # read as any message, and as one that comes again
            await caller.ask("tools/call", {"name": name, "arguments": {}})

    named = [(one["mcp"]["name"], one["mcp"].get("asked")) for one in house.log.kind("decision")]
    assert named == [
        *[("balance", "bank__balance")] * 2,
        *[("balance", None)] * 2,
        *[("close_account", "bank__close_account")] * 2,
    ]


@pytest.mark.spec("DW-300", "DW-334")
@pytest.mark.parametrize("era", ERAS)
async def test_a_servers_own_endpoint_says_every_byte_as_it_came(era) -> None:
    house = House()
    caller = await era(house)
    raw = b'{"contents":[{"uri":"doc://rates", "n":1.0}]}'

    async def script(permit: Permit) -> Reply:
        return Reply(raw, None, Outcome.OK)

    house.servers.script = script
    answer = await caller.ask("resources/read", {"uri": "doc://rates"})

    assert raw in answer.body


@pytest.mark.spec("DW-426")
@pytest.mark.parametrize(
    ("era", "method"),
    [(legacy, "resources/read"), (legacy, "resources/subscribe"), (modern, "resources/read")],
)
async def test_hidden_and_unknown_uris_are_answered_alike(era, method: str) -> None:
    house = House()
    caller = await era(house, endpoint=None)
    asked = [
        "bank+doc://vault",  # listed, and denied
        "bank+doc://other",  # not listed
        "files+doc://vault",  # of a server without resources
        "none+doc://vault",  # of no server
        "doc://rates",  # of nobody
    ]

    answers = [await caller.ask(method, {"uri": uri}) for uri in asked]

    assert {error(answer)[:2] for answer in answers} == {(200, -32602 if caller.modern else -32002)}
    for uri, answer in zip(asked, answers, strict=True):
        assert answer.body.replace(uri.encode(), b"U") == answers[0].body.replace(asked[0].encode(), b"U")
        assert answer.headers == answers[0].headers


@pytest.mark.spec("DW-406")
async def test_a_server_that_no_grant_names_cannot_be_told_from_none() -> None:
    house = House(grants=(grant(servers=["bank"], resources=scope(["doc://*"])),))
    listings = house.offer.snapshot.listings
    reading = msgspec.structs.replace(listings["files"], capabilities={"resources": {}})
    offer = house.offer.snapshot.with_listing(reading)
    router = SnapshotRouter(offer, house.offer.policy.reaches)
    house.door.swap(dataclasses.replace(house.gateway, router=router))
    caller = await modern(house, endpoint=None)

    there = await caller.ask("resources/read", {"uri": "files+doc://rates"})
    nowhere = await caller.ask("resources/read", {"uri": "wiles+doc://rates"})

    assert there.body.replace(b"files", b"wiles") == nowhere.body
    assert house.servers.sent == []


@pytest.mark.spec("DW-426")
async def test_in_mode_audit_an_ungranted_uri_is_read_and_recorded_as_would_be_denied() -> None:
    house = House(mode=Mode.AUDIT)
    caller = await modern(house, endpoint=None)

    assert "result" in body(await caller.ask("resources/read", {"uri": "bank+doc://vault"}))
    assert json.dumps(house.log.records[0]).count("no_grant") == 1
