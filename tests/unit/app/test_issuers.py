"""A process whose callers have tokens: what a reload keeps, and what it puts in force. No socket is open."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from doorward.app.identity import Issuers
from doorward.app.process import Process
from doorward.app.serve import reload
from doorward.config.load import load
from doorward.model.call import Credential, Inbound
from doorward.ports.fetch import FetchFailed
from tests.support.tokens import Mint
from tests.unit.app.test_reload import Stream
from tests.unit.identity.fetching import FakeFetch, json_of

pytestmark = pytest.mark.asyncio
A, B = "https://a.example", "https://b.example"
MINTS = {name: Mint(name, "https://gw.example.com/mcp") for name in (A, B)}


def write(folder: Path, *issuers: str, agent: str = "ci") -> Path:
    auth: dict[str, Any] = {"keys": True}
    if issuers:
        auth["issuers"] = [{"issuer": name} for name in issuers]
    match = [{"issuer": name, "client_id": "ci"} for name in issuers]
    document = {
        "version": 1,
        "gateway": {"listen": "127.0.0.1:0", "state": "state", "public_url": "https://gw.example.com"},
        "auth": auth,
        "agents": {agent: {"match": match}},
    }
    path = folder / "doorward.yaml"
    path.write_text(json.dumps(document))
    return path


class Stage:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fetch = FakeFetch()
        self.made = 0
        for name, mint in MINTS.items():
            where = f"{name}/.well-known/oauth-authorization-server"
            self.fetch.documents[where] = json_of({"issuer": name, "jwks_uri": f"{name}/keys"})
            self.fetch.documents[f"{name}/keys"] = json_of(mint.public())
        self.process: Process

    def make(self, changed: Any) -> Issuers:
        self.made += 1
        return Issuers(changed, self.fetch)

    async def open(self, *issuers: str) -> Process:
        self.process = await Process.open(load(write(self.folder, *issuers)), self.make)
        return self.process

    async def reload(self, *issuers: str, agent: str = "ci") -> None:
        write(self.folder, *issuers, agent=agent)
        assert await reload(self.process)

    async def ping(self, token: str) -> int:
        """401, or what a request without a session gets from who was let in."""
        credential = Credential(token, "192.0.2.1", local=False, proxied=False)
        message = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
        return (await self.process.door.serve(Inbound("http", None, credential, {}, message, None))).status

    async def agent(self, token: str) -> str:
        credential = Credential(token, "192.0.2.1", local=False, proxied=False)
        return (await self.process.world.directory.ask(credential)).agent


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    yield made
    await made.process.close()


async def test_a_token_gets_in_from_the_first_call_on(stage: Stage) -> None:
    await stage.open(A)
    assert await stage.agent(MINTS[A].token()) == "ci"
    assert await stage.ping(MINTS[A].token()) != 401
    assert await stage.ping(MINTS[B].token()) == 401
    assert stage.process.readiness()["issuers"] == {}


async def test_without_issuers_nothing_is_made_until_a_reload_names_one(stage: Stage) -> None:
    await stage.open()
    assert stage.made == 0
    assert "issuers" not in stage.process.readiness()
    await stage.reload(A)
    assert stage.made == 1
    assert await stage.agent(MINTS[A].token()) == "ci"
    await stage.reload()
    assert await stage.ping(MINTS[A].token()) == 401
    assert stage.process._issuers is not None
    assert stage.process._issuers._running == {}


async def test_a_reload_changes_the_agent_and_does_not_ask_the_issuer(stage: Stage) -> None:
    await stage.open(A)
    token = MINTS[A].token()
    assert await stage.agent(token) == "ci"
    stage.fetch.documents[f"{A}/keys"] = FetchFailed("down")
    await stage.reload(A, B, agent="other")
    assert await stage.agent(token) == "other"
    assert stage.fetch.asked[f"{A}/keys"] == 1


async def test_a_key_that_an_issuer_withdraws_ends_what_it_signed(stage: Stage) -> None:
    process = await stage.open(A)
    token = MINTS[A].token("k-ed")
    assert await stage.ping(token) != 401
    credential = Credential(token, "192.0.2.1", local=False, proxied=False)
    principal = await process.world.directory.ask(credential)
    streams: list[Any] = []
    for who in (principal, msgspec.structs.replace(principal, method="introspection")):
        session = process.sessions.open(who, None, "2025-11-25", {}, {})
        streams.append(Stream())
        process.streams.open(session, who, streams[-1])
    stage.fetch.documents[f"{A}/keys"] = json_of(MINTS[A].public("k-ec"))
    assert stage.process._issuers is not None
    (keys,) = stage.process._issuers._known.values()
    await keys.refresh()
    assert await stage.ping(token) == 401
    assert await stage.ping(MINTS[A].token("k-ec")) != 401
    assert [stream.ended for stream in streams] == [True, False]


async def test_an_issuer_that_cannot_be_asked_makes_the_gateway_degraded(stage: Stage) -> None:
    stage.fetch.documents[f"{B}/keys"] = FetchFailed("nobody there")
    await stage.open(A, B)
    for _ in range(20):
        await asyncio.sleep(0)
    state = stage.process.readiness()
    assert (state["status"], state["issuers"]) == ("degraded", {B: "its keys cannot be had"})
    assert stage.process.readiness(operator=True)["issuers"] == {B: "nobody there"}


async def test_without_anything_to_verify_tokens_with_a_reload_is_refused(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.process = await Process.open(load(write(stage.folder)))
    write(stage.folder, A)
    assert not await reload(stage.process)
    assert "nothing to verify tokens with" in capsys.readouterr().err
