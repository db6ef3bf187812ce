"""What listeners want is handed to the servers, and on to those that a reload has made anew."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from doorward.app.process import Process
from doorward.app.serve import reload
from doorward.app.wishes import GATEWAY
from doorward.config.load import load
from doorward.edge.streams import SessionStreams
from doorward.model.call import Session
from doorward.model.principal import Principal
from doorward.ports.watched import Wish

pytestmark = pytest.mark.asyncio
TEXT = """\
version: 1
mode: enforce
gateway: {{listen: "127.0.0.1:0", state: state}}
auth: {{keys: true}}
servers:
  same: {{command: [no-such-command]}}
  changed: {{command: [no-such-command, "{argument}"]}}
agents:
  one: {{grants: []}}
"""
WISH = Wish("s", "owner", {"u:1": "u:1"})
ME = Principal("default", "me", "one", "key", "k1")


@pytest_asyncio.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    config = tmp_path / "doorward.yaml"
    config.write_text(TEXT.format(argument="a"))
    opened = await Process.open(load(config))
    yield opened
    await opened.close()


class Nowhere:
    """Implements edge.streams.Outlet."""

    def push(self, message: bytes) -> bool:
        return True

    def end(self, *, stopping: bool = False) -> None: ...


def listen(streams: SessionStreams, session_id: str, endpoint: str | None) -> None:
    streams.adopt(Session(session_id, ME.owner, endpoint, "2025-11-25", {}, {}), ME, Nowhere())


async def test_wishes_pass_to_a_server_that_a_reload_has_made_anew(process: Process, tmp_path: Path) -> None:
    for name in ("same", "changed", "unknown"):
        process.wishes.want(name, "s", WISH)
    listen(process.streams, "s", None)
    before = process.world

    (tmp_path / "doorward.yaml").write_text(TEXT.format(argument="b"))
    assert await reload(process)

    after = process.world
    assert after.servers["changed"] is not before.servers["changed"]
    for name in ("same", "changed"):
        assert after.servers[name].wishes["s"] == WISH
        assert after.servers[name].wishes[GATEWAY].lists


async def test_servers_are_listened_to_while_somebody_listens_there(process: Process) -> None:
    def heard() -> list[str]:
        return sorted(name for name, server in process.world.servers.items() if GATEWAY in server.wishes)

    assert heard() == []
    listen(process.streams, "a", "same")
    listen(process.streams, "b", "same")
    assert heard() == ["same"]
    listen(process.streams, "c", None)
    assert heard() == ["changed", "same"]
    process.streams.close("c")
    process.streams.close("a")
    assert heard() == ["same"]
    process.streams.close("b")
    assert heard() == []


async def test_a_session_that_ends_takes_its_wishes_back(process: Process) -> None:
    session = process.sessions.open(ME, None, "2025-11-25", {}, {})
    process.wishes.want("same", session.id, WISH)

    process.sessions.close(session.id)

    assert process.world.servers["same"].wishes == {}


async def test_a_server_that_is_not_there_has_taken_nothing(process: Process) -> None:
    assert await process.wishes.settled("unknown", "s") == frozenset()
    assert await process.wishes.settled("same", "s") == frozenset()
