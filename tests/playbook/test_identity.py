"""Callers about whom somebody has to be asked first, and callers whom more than their agent bounds."""

import asyncio
import dataclasses
import json
from typing import Any

import msgspec
import pytest

from doorward.model.bounds import Bounds, Narrowing
from doorward.model.call import Credential
from doorward.model.errors import CallerError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.pipeline.challenges import Challenges
from tests.playbook.house import BOT, ERAS, Caller, House, body, error, legacy, modern, request

pytestmark = pytest.mark.asyncio
GOOD = {"name": "balance", "arguments": {}}


class Issuer:
    """Implements ports.Identity: knows nobody before it was asked, which takes until it is let go."""

    def __init__(self, house: House) -> None:
        self.known: dict[str | None, Principal] = {}
        self.said: Principal | Exception = BOT
        self.asked = 0
        self.cut = 0
        self.go = asyncio.Event()
        house.door.swap(dataclasses.replace(house.gateway, identity=self))

    def identify(self, credential: Credential, endpoint: str | None) -> Principal | None:
        return self.known.get(credential.secret)

    async def ask(self, credential: Credential, endpoint: str | None) -> Principal:
        self.asked += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cut += 1
            raise
        if isinstance(self.said, Exception):
            raise self.said
        self.known[credential.secret] = self.said
        return self.said


@pytest.mark.parametrize("era", ERAS)
async def test_nothing_of_a_message_is_read_before_its_caller_is_known(era: Any) -> None:
    house = House()
    caller: Caller = await era(house)
    issuer = Issuer(house)
    call = asyncio.create_task(caller.ask("tools/call", GOOD))
    await asyncio.sleep(0.01)
    assert (issuer.asked, house.servers.sent, house.log.records) == (1, [], [])
    assert len(house.calls) == 0
    issuer.go.set()
    assert "result" in body(await call)
    assert "result" in body(await caller.ask("tools/call", GOOD, id=2))
    assert issuer.asked == 1, "memory has the answer now"


@pytest.mark.parametrize(
    ("failure", "answer", "recorded"),
    [
        (
            CallerError(Reason.CREDENTIAL_REVOKED, "by anna"),
            (401, -31010, "credential_invalid"),
            "credential_revoked",
        ),
        (
            CallerError(Reason.AGENT_UNMATCHED, "client x"),
            (403, -31010, "agent_unmatched"),
            "agent_unmatched",
        ),
        (CallerError(Reason.ACTOR_UNKNOWN, "actor x"), (403, -31010, "actor_unknown"), "actor_unknown"),
        (CallerError(Reason.BLOCKED, "user x"), (403, -31010, "blocked"), "blocked"),
        (
            GatewayError(Reason.IDENTITY_UNAVAILABLE, "https://id.example timed out"),
            (503, -32603, "identity_unavailable"),
            "identity_unavailable",
        ),
    ],
)
async def test_a_caller_who_is_not_let_in_learns_no_more_than_that(
    failure: Exception, answer: tuple[int, int, str], recorded: str
) -> None:
    house = House()
    caller = await modern(house)
    issuer = Issuer(house)
    issuer.said = failure
    issuer.go.set()
    said = await caller.ask("tools/call", GOOD)
    assert error(said) == answer
    assert str(failure) not in said.body.decode()
    assert "decision_id" not in body(said)["error"]["data"]
    (record,) = house.log.records
    assert (record["kind"], record["reason"], record["detail"]) == ("refusal", recorded, str(failure))
    assert house.servers.sent == []


async def test_who_does_not_wait_for_the_answer_ends_nothing_but_his_own_message() -> None:
    house = House()
    caller = await modern(house)
    issuer = Issuer(house)
    first = asyncio.create_task(caller.ask("tools/call", GOOD, id=1))
    second = asyncio.create_task(caller.ask("tools/call", GOOD, id=2))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    assert issuer.cut == 1
    issuer.go.set()
    assert error(await first) == (200, -31003, "cancelled")
    assert "result" in body(await second)


async def test_a_batch_waits_once_for_who_sends_it() -> None:
    house = House()
    caller = await legacy(house, version="2025-03-26")
    issuer = Issuer(house)
    messages = [request("tools/call", GOOD, id=number) for number in (1, 2, 3)]
    call = asyncio.create_task(house.send(messages, headers=caller.headers))
    await asyncio.sleep(0.01)
    assert house.servers.sent == []
    issuer.go.set()
    said = json.loads((await call).body)
    assert [(one["id"], "result" in one) for one in said] == [(1, True), (2, True), (3, True)]
    assert issuer.asked == 1


async def test_a_batch_of_somebody_unknown_is_refused_once() -> None:
    house = House()
    caller = await legacy(house, version="2025-03-26")
    issuer = Issuer(house)
    issuer.said = CallerError(Reason.CREDENTIAL_INVALID, "no")
    issuer.go.set()
    said = await house.send([request("ping", id=1), request("ping", id=2)], headers=caller.headers)
    assert error(said) == (401, -31010, "credential_invalid")
    assert [record["kind"] for record in house.log.records] == ["refusal"]


# --- bounds -------------------------------------------------------------------------------------------------


def bounded(house: House, **said: Any) -> None:
    """From now on the caller is one whom these bound; challenges are those of a gateway with issuers."""
    issuer = Issuer(house)
    issuer.known["bot"] = msgspec.structs.replace(BOT, bounds=Bounds(**said))
    challenges = Challenges("https://gw.example/.well-known/oauth-protected-resource/mcp")
    house.door.swap(dataclasses.replace(house.door.gateway, challenges=challenges))


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "said",
    [
        {"narrowings": (Narrowing("key", tools=("nothing_of_these",)),)},
        {"narrowings": (Narrowing("key", servers=()),)},
        {"people": ((),)},
        {"agents": ("nobody",)},
        {"people": ((),), "scopes": frozenset()},
    ],
)
async def test_what_a_bound_takes_away_is_unknown_at_the_aggregate(era: Any, said: dict[str, Any]) -> None:
    house = House()
    caller: Caller = await era(house, endpoint=None)
    before = body(await caller.ask("tools/list"))["result"]["tools"]
    unknown = await caller.ask("tools/call", {"name": "bank__no_such", "arguments": {}})
    bounded(house, **said)
    house.forget()
    assert before
    assert body(await caller.ask("tools/list"))["result"]["tools"] == []
    for tool in before:
        hidden = await caller.ask("tools/call", {"name": tool["name"], "arguments": {}})
        assert hidden == unknown
    assert house.servers.sent == []
    denied = [
        record["decision"] for record in house.log.kind("decision") if record["decision"]["effect"] == "deny"
    ]
    assert denied
    assert all(one["bound"] for one in denied)


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_that_a_bound_takes_away_is_no_path(era: Any) -> None:
    """Also for a tool that another caller of the same agent has just called there."""
    house = House()
    caller: Caller = await era(house)
    assert "result" in body(await caller.ask("tools/call", GOOD))
    bounded(house, narrowings=(Narrowing("key", servers=("files",)),))
    said = await caller.ask("tools/call", GOOD)
    assert error(said) == (404, -32600, "path_not_found")
    assert len(house.servers.sent) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_session_outlives_a_bound_and_its_lists_do_not(era: Any) -> None:
    house = House()
    caller: Caller = await era(house)
    names = {tool["name"] for tool in body(await caller.ask("tools/list"))["result"]["tools"]}
    bounded(house, narrowings=(Narrowing("key", tools=("balance",)),))
    assert (
        {tool["name"] for tool in body(await caller.ask("tools/list"))["result"]["tools"]}
        == {"balance"}
        < names
    )
    assert "result" in body(await caller.ask("tools/call", GOOD))
