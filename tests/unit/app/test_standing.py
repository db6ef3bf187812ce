"""What the store says of callers, put in force: limits, streams that end, last use (app/standing.py)."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from doorward.app.keys import KeyService, open_keys
from doorward.app.process import Process
from doorward.app.serve import reload
from doorward.app.state import paths
from doorward.audit.records import Actor
from doorward.backends.sql.sqlite import open_sqlite
from doorward.config.load import load
from doorward.control.changes import change_record
from doorward.control.keys import Change, Wanted
from doorward.identity.match import TokenMatch
from doorward.identity.recognised import Recognised
from doorward.model.bounds import Rate
from doorward.model.call import Credential
from doorward.model.errors import CallerError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.ports.store import BlockRecord
from tests.unit.app.test_reload import Stream

pytestmark = pytest.mark.asyncio
ACTOR = Actor("anna", "test")
TEXT = """\
version: 1
gateway: {{listen: "127.0.0.1:0", state: state}}
auth: {{keys: true}}
agents:
  one: {{team: platform{rate}}}
"""


def write(path: Path, rate: str = "") -> None:
    path.write_text(TEXT.format(rate=rate))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "doorward.yaml"
    write(path)
    return path


@pytest_asyncio.fixture
async def process(config: Path) -> AsyncIterator[Process]:
    opened = await Process.open(load(config))
    yield opened
    await opened.close()


async def commanded(process: Process, doing: Callable[[KeyService], dict[str, Any]]) -> dict[str, Any]:
    """As another process does it; then what the gateway makes of it."""

    def command() -> dict[str, Any]:
        with open_keys(process.world.loaded) as keys:
            return doing(keys)

    said = await asyncio.to_thread(command)
    await process._watch.look()
    return said


def caller(process: Process, secret: str) -> Principal:
    credential = Credential(secret, "192.0.2.1", local=False, proxied=False)
    found = process.world.directory.identify(credential, None)
    assert found is not None
    return found


def stages(process: Process) -> tuple[str, ...]:
    assert process.door.gateway is process.world.gateway
    return tuple(slot.stage.id for slot in process.door.gateway.before.slots)


async def test_calls_pass_no_stage_for_rates_until_somebody_has_one(process: Process) -> None:
    assert stages(process) == ()
    made = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
    assert stages(process) == ()
    await commanded(process, lambda keys: keys.change(made["id"], Change(rate="10/min")))
    assert stages(process) == ("rate",)
    principal = caller(process, made["key"])
    assert (principal.rate, principal.team) == (Rate(10, 60.0), "platform")
    assert process.door.gateway.before.concerning(principal) == ("rate",)
    other = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
    assert process.door.gateway.before.concerning(caller(process, other["key"])) == ()
    await commanded(process, lambda keys: keys.revoke(made["id"]))
    assert stages(process) == ()


async def test_an_agent_gets_and_loses_its_rate_with_the_configuration(
    process: Process, config: Path
) -> None:
    made = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
    write(config, ", rate: 5/s")
    assert await reload(process)
    assert stages(process) == ("rate",)
    assert process.door.gateway.before.concerning(caller(process, made["key"])) == ("rate",)
    write(config)
    assert await reload(process)
    assert stages(process) == ()


async def test_a_rate_of_a_key_outlives_a_reload(process: Process, config: Path) -> None:
    await commanded(process, lambda keys: keys.create(Wanted(agent="one", rate="1/s")))
    write(config, ", see_rules: true")
    assert await reload(process)
    assert stages(process) == ("rate",)


async def test_what_a_key_has_used_up_is_used_up_after_a_reload(process: Process, config: Path) -> None:
    before = process.world._lasting.rates
    write(config, ", rate: 5/s")
    assert await reload(process)
    assert process.world._limits._rates is before


@pytest.mark.parametrize("change", [Change(read_only=True), Change(rate="1/s"), Change(expires_at=None)])
async def test_a_changed_key_begins_its_streams_anew(process: Process, change: Change) -> None:
    made = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
    other = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
    streams = []
    for each in (made, other):
        principal = caller(process, each["key"])
        session = process.sessions.open(principal, None, "2025-11-25", {}, {})
        stream: Any = Stream()
        process.streams.open(session, principal, stream)
        streams.append(stream)

    await commanded(process, lambda keys: keys.change(made["id"], change))

    assert [stream.ended for stream in streams] == [True, False]


async def test_a_key_that_was_used_says_so_when_the_gateway_has_stopped(config: Path) -> None:
    process = await Process.open(load(config))
    try:
        made = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
        idle = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
        caller(process, made["key"])
        epoch = process._store.epoch()
    finally:
        await process.close()
    store = open_sqlite(paths(load(config).settings).database)
    used = {key.id: key.last_used_at for key in store.facts().keys}
    assert used[made["id"]] is not None
    assert used[idle["id"]] is None
    assert store.epoch() == epoch
    store.close()


# --- blocks, and what ends by itself


async def blocked(process: Process, now: float = 0.0, **said: Any) -> BlockRecord:
    """As an operator does it; then what the gateway makes of it."""
    block = BlockRecord(id="bl_" + secrets.token_hex(6), reason="", created_at=now, created_by="anna", **said)
    await asyncio.to_thread(process._store.add_block, block, change_record("block:place", "b", ACTOR, 1.0))
    await process._watch.look()
    await process.standing.settle()
    return block


def refusal(process: Process, secret: str) -> Reason:
    with pytest.raises(CallerError) as caught:
        caller(process, secret)
    return caught.value.reason


async def test_a_block_refuses_ends_what_is_open_and_is_over_on_time(process: Process) -> None:
    made = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
    principal = caller(process, made["key"])
    session = process.sessions.open(principal, None, "2025-11-25", {}, {})
    stream: Any = Stream()
    process.streams.open(session, principal, stream)
    now = process.standing._clock()
    await blocked(process, kind="key", value=made["id"], expires_at=now + 10)
    assert refusal(process, made["key"]) is Reason.BLOCKED
    assert stream.ended
    assert len(process.sessions) == 0
    process.standing._clock = lambda: now + 9.9
    process.standing.tick()
    assert refusal(process, made["key"]) is Reason.BLOCKED
    process.standing._clock = lambda: now + 10.3
    process.standing.tick()
    assert caller(process, made["key"]).key_id == made["id"]


async def test_a_change_that_blocks_nobody_else_has_nobody_judged_again(process: Process) -> None:
    await blocked(process, kind="agent", value="other")
    before = process.world.directory.revoked
    await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
    assert process.world.directory.revoked is before
    await blocked(process, kind="agent", value="another")
    assert process.world.directory.revoked is not before


async def test_a_block_outlives_a_reload(process: Process, config: Path) -> None:
    made = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
    await blocked(process, kind="agent", value="one")
    await blocked(process, kind="server", value="crm")
    write(config, ", see_rules: true")
    assert await reload(process)
    assert refusal(process, made["key"]) is Reason.BLOCKED
    assert process.world.policy.blocked == {"crm"}
    assert process.door.gateway.policy is process.world.policy


async def test_an_unreadable_store_ends_streams_when_nobody_is_let_in_any_more(process: Process) -> None:
    made = await commanded(process, lambda keys: keys.create(Wanted(agent="one")))
    principal = caller(process, made["key"])
    session = process.sessions.open(principal, None, "2025-11-25", {}, {})
    stream: Any = Stream()
    process.streams.open(session, principal, stream)
    process.standing.tick()
    assert not stream.ended
    later = process.world.directory._monotonic() + 61
    process.world.directory._monotonic = lambda: later
    process.standing.tick()
    assert stream.ended
    assert len(process.sessions) == 1  # it may come back when the store does


async def test_a_session_waits_for_the_next_token_and_not_for_ever(process: Process) -> None:
    now = process.standing._clock()
    gone = Principal(
        "default", "anna", "one", "jwt", issuer="https://id.example.com", client="app", expires_at=now + 1
    )
    known = Recognised(
        issuers=("https://id.example.com",), tokens=(TokenMatch("one", "https://id.example.com"),)
    )
    process.world.recognised = known
    process.sessions.open(gone, None, "2025-11-25", {}, {})
    process.world.directory.expiries.note(gone.expires_at)
    for passed, left in ((0.5, 1), (2.0, 1), (600.0, 1), (602.5, 0)):
        process.standing._clock = lambda at=now + passed: at
        process.standing.tick()
        if process.standing._unsettled.is_set():
            await process.standing.settle()
        assert len(process.sessions) == left, passed
