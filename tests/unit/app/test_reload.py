"""A reload gives the new world or keeps the old one; nothing falls between the two. No listener is opened."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from doorward.app import keys as key_commands
from doorward.app.http_face import plane_settings
from doorward.app.process import Process
from doorward.app.serve import following_ended, needs_restart, reload, summary
from doorward.backends.files.read import last_records
from doorward.config.load import load, parse
from doorward.control.keys import Wanted
from doorward.edge.guard import LOOPBACK_NAMES
from doorward.model.call import Credential, Inbound
from doorward.model.errors import CallerError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason

pytestmark = pytest.mark.asyncio
TEXT = """\
version: 1
mode: enforce
gateway: {{listen: "127.0.0.1:0", state: state}}
auth: {{keys: true}}
servers: {{}}
agents:
  {agent}: {{grants: []}}
"""


def write(path: Path, agent: str = "one", *, text: str = TEXT) -> None:
    path.write_text(text.format(agent=agent))


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


def key(process: Process, agent: str = "one", name: str = "k") -> tuple[str, str]:
    with key_commands.open_keys(process.world.loaded) as service:
        made = service.create(Wanted(agent=agent, name=name, expires_at=None))
    return made["id"], made["key"]


async def ping(process: Process, secret: str) -> tuple[int, str | None]:
    """HTTP status and reason of a request without a session."""
    credential = Credential(secret, "192.0.2.1", local=False, proxied=False)
    message = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    answer = await process.door.serve(Inbound("http", None, credential, {}, message, None))
    return answer.status, json.loads(answer.body)["error"]["data"]["reason"]


def events(process: Process) -> list[dict[str, Any]]:
    directory = Path(process.world.loaded.settings.gateway.state) / "audit"
    records = [json.loads(line) for line in last_records(directory, 100)]
    return [record for record in records if record["kind"] == "lifecycle"]


async def test_a_valid_file_is_adopted_and_on_record(process: Process, config: Path) -> None:
    old = process.world
    write(config, "two")

    assert await reload(process)

    assert process.world is not old
    assert process.door.gateway is process.world.gateway
    assert list(process.world.loaded.settings.agents) == ["two"]
    last = events(process)[-1]
    assert last["event"] == "reloaded"
    assert last["detail"] == {"config": process.world.loaded.digest, "before": old.loaded.digest}
    assert not process.quiet, "what was replaced is on its way out"
    async with asyncio.timeout(10):
        await asyncio.gather(*process._retiring)
    assert process.quiet


async def test_what_a_reload_changes_is_on_record_before_it_holds(process: Process, config: Path) -> None:
    old, in_force = process.world.loaded, []
    append = process.log.append

    async def watched(record: bytes, *more: Any) -> None:
        said = json.loads(record)
        if said["kind"] == "change":
            in_force.append((said["action"], process.world.loaded is old))
        await append(record, *more)

    process.log.append = watched
    write(config, "two")

    assert await reload(process, "signal")

    assert in_force == [("config:replace", True), ("policy:replace", True)]
    directory = Path(process.world.loaded.settings.gateway.state) / "audit"
    found = [json.loads(line) for line in last_records(directory, 3)]
    assert [record["kind"] for record in found] == ["change", "change", "lifecycle"]
    assert found[0]["before"] == {"digest": old.digest}
    assert found[0]["after"] == {"digest": process.world.loaded.digest}
    assert found[0]["actor"] == {"subject": "unknown", "method": "signal"}


async def test_a_reload_whose_change_cannot_be_recorded_does_not_happen(
    process: Process, config: Path
) -> None:
    old, append = process.world, process.log.append

    async def refused(record: bytes, *more: Any) -> None:
        if b'"policy:replace"' in record:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, "disk full")
        await append(record, *more)

    process.log.append = refused
    write(config, "two")

    assert not await reload(process)

    assert process.world is old
    assert events(process)[-1]["event"] == "reload_refused"


TLS = "{{a: {{url: 'https://a.example/', tls: {{ca: none.pem}}}}}}"
BAD = {
    "unknown key": ("version: 1\nsurprise: 1\n", "not valid", "surprise"),
    "empty": ("", "not valid", "empty"),
    "listen": (TEXT.replace("127.0.0.1:0", "127.0.0.1:9"), "changes gateway.listen", "gateway.listen"),
    "state": (TEXT.replace("state: state", "state: other"), "changes gateway.state", "gateway.state"),
    "tls": (TEXT.replace("servers: {{}}", f"servers: {TLS}"), "not valid", "none.pem"),
}


@pytest.mark.parametrize("bad", sorted(BAD))
async def test_a_file_that_cannot_be_served_keeps_the_old_world(
    process: Process, config: Path, capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    text, cause, said = BAD[bad]
    old, gateway = process.world, process.door.gateway
    write(config, text=text)

    assert not await reload(process)

    assert process.world is old
    assert process.door.gateway is gateway
    err = capsys.readouterr().err
    assert said in err
    assert "the running configuration stays in force" in err
    last = events(process)[-1]
    assert last["event"] == "reload_refused"
    assert last["detail"] == {"cause": cause}
    assert process.readiness()["config"] == cause
    write(config)
    assert not await reload(process)  # as it was before
    assert process.readiness()["config"] is None


async def test_a_watcher_that_dies_says_so() -> None:
    async def dies() -> None:
        raise KeyError("a bug")

    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    for work in (dies(), asyncio.sleep(0), asyncio.sleep(60)):
        watcher = asyncio.create_task(work)
        watcher.add_done_callback(following_ended)
        asyncio.get_running_loop().call_later(0.01, watcher.cancel)
        await asyncio.wait({watcher})
        await asyncio.sleep(0)

    assert told == ["the configuration is no longer followed: restart to apply changes"]


async def test_the_same_file_again_changes_nothing(process: Process) -> None:
    old = process.world

    assert not await reload(process)

    assert process.world is old
    assert [event["event"] for event in events(process)] == ["started"]


async def test_a_reload_that_cannot_be_recorded_does_not_happen(
    process: Process, config: Path, capsys
) -> None:
    old = process.world

    async def full(record: bytes, waiter: Any = None) -> None:
        raise GatewayError(Reason.AUDIT_UNAVAILABLE, "the disk is full")

    append, process.log.append = process.log.append, full
    write(config, "two")

    assert not await reload(process)

    process.log.append = append
    assert process.world is old
    assert "the disk is full" in capsys.readouterr().err


async def test_keys_live_on_and_a_revocation_holds_in_the_next_world(process: Process, config: Path) -> None:
    key_id, secret = key(process)
    await process._watch.look()
    assert await ping(process, secret) == (400, "session_required")

    write(config, "one", text=TEXT + "  two: {{grants: []}}\n")
    assert await reload(process)
    assert await ping(process, secret) == (400, "session_required")

    with key_commands.open_keys(process.world.loaded) as service:
        assert service.revoke(key_id)
    await process._watch.look()
    write(config, "one", text=TEXT + "  three: {{grants: []}}\n")
    assert await reload(process)
    assert await ping(process, secret) == (401, "credential_invalid")


async def test_a_key_whose_agent_is_gone_is_refused(process: Process, config: Path) -> None:
    _, secret = key(process)
    await process._watch.look()

    write(config, "two")
    assert await reload(process)

    assert await ping(process, secret) == (401, "credential_invalid")


MISSING = TEXT.replace("servers: {{}}", "servers: {{a: {{command: [no-such-program]}}}}")


async def test_what_is_missing_is_said_once_for_as_long_as_it_is(
    process: Process, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = 'warning: there is no program "no-such-program" on PATH'
    for agent, text, times in (
        ("one", MISSING, 1),
        ("two", MISSING, 0),
        ("two", TEXT, 0),
        ("two", MISSING, 1),
    ):
        write(config, agent, text=text)
        assert await reload(process)
        assert capsys.readouterr().err.count(words) == times


async def test_keys_that_may_be_out_of_date_are_not_adopted(process: Process, config: Path) -> None:
    old = process.world
    process._watch.failure = GatewayError(Reason.STORE_UNAVAILABLE, "the store is gone")
    write(config, "two")

    assert not await reload(process)

    assert process.world is old


async def test_a_world_that_was_replaced_cannot_come_back(process: Process, config: Path) -> None:
    old = process.world
    write(config, "two")
    assert await reload(process)

    old._changed(old, None, None, None)

    assert process.door.gateway is process.world.gateway


async def test_a_session_that_ends_takes_its_calls_along(process: Process) -> None:
    _, secret = key(process)
    await process._watch.look()
    principal = process.world.directory.identify(Credential(secret, "x", local=False, proxied=False))
    session = process.sessions.open(principal, None, "2025-11-25", {}, {})
    ended: list[str] = []
    process.calls.end = ended.append

    process.door.end_session(session)

    assert ended == [session.id]
    with pytest.raises(CallerError):
        process.sessions.get(session.id, principal, None)


class Stream:
    """An open SSE response."""

    disconnected = congested = ended = False
    on_disconnect = None

    def write_nowait(self, data: bytes) -> None:
        assert not self.ended

    def finish(self) -> None:
        self.ended = True


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_a_key_that_ends_takes_its_stream_along(process: Process, end: str) -> None:
    ends_at = time.time() + 1.5 if end == "expired" else None

    def create() -> dict[str, Any]:
        with key_commands.open_keys(process.world.loaded) as service:
            return service.create(Wanted(agent="one", name="k", expires_at=ends_at))

    made = await asyncio.to_thread(create)  # as another process: it waits until the gateway knows
    await process._watch.look()
    principal = process.world.directory.identify(Credential(made["key"], "x", local=False, proxied=False))
    session = process.sessions.open(principal, None, "2025-11-25", {}, {})
    stream: Any = Stream()
    process.streams.open(session, principal, stream)
    await process.standing.settle()
    assert not stream.ended

    if end == "revoked":

        def revoke() -> dict[str, Any]:
            with key_commands.open_keys(process.world.loaded) as service:
                return service.revoke(made["id"])

        assert await asyncio.to_thread(revoke)
        await process._watch.look()
    else:
        await asyncio.sleep(ends_at - time.time() + 0.01)
        await process.standing.settle()

    assert stream.ended


async def test_a_server_that_was_taken_out_has_nothing_to_announce(process: Process) -> None:
    for method in ("notifications/tools/list_changed", "notifications/resources/updated"):
        process._on_notification("gone", None, method, {"uri": "u:1"})

    assert not [task for task in process._background if "refresh_server" in repr(task)]


async def test_closing_waits_for_a_world_on_its_way_out(config: Path) -> None:
    process = await Process.open(load(config))
    old, ended = process.world, []
    retire = old.retire

    async def slow(successor: Any, grace: float) -> None:
        await asyncio.sleep(0.05)
        await retire(successor, grace)
        ended.append(successor)

    old.retire = slow
    write(config, "two")
    assert await reload(process)
    await process.close()

    assert len(ended) == 1


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://gate.example:8443", {"gate.example"}),
        ("https://[2001:DB8::1]:7420/", {"[2001:db8::1]"}),
        (None, set()),
    ],
)
async def test_the_public_url_names_the_host_as_its_field_does(
    config: Path, url: str | None, hosts: set[str]
) -> None:
    line = f'gateway: {{{{public_url: "{url}", listen:' if url else "gateway: {{listen:"
    write(config, text=TEXT.replace("gateway: {{listen:", line))

    guard = plane_settings(load(config).settings).guard

    assert guard._hosts == LOOPBACK_NAMES | hosts


async def test_a_second_process_is_refused_the_state_directory(process: Process) -> None:
    with pytest.raises(GatewayError):
        await Process.open(process.world.loaded)
    assert process.readiness()["status"] == "ready"


async def test_closing_records_the_end_and_frees_the_directory(config: Path) -> None:
    process = await Process.open(load(config))
    await process.close()

    assert [event["event"] for event in events(process)] == ["started", "stopped"]
    again = await Process.open(load(config))
    await again.close()


async def test_a_full_disk_does_not_keep_the_directory_locked(config: Path) -> None:
    process = await Process.open(load(config))

    async def full(record: bytes, waiter: Any = None) -> None:
        raise GatewayError(Reason.AUDIT_UNAVAILABLE, "the disk is full")

    append, process.log.append = process.log.append, full
    with pytest.raises(GatewayError):
        await process.close()

    process.log.append = append
    await process.log.close()
    again = await Process.open(load(config))
    await again.close()


async def test_readiness_follows_the_log(process: Process) -> None:
    process.log.failure = "the disk is full"
    assert (process.readiness()["status"], process.readiness()["audit"]) == ("not_ready", "the disk is full")
    process.log.failure = None
    assert process.readiness()["audit"] == "ok"


async def test_what_an_operator_sees_first(process: Process) -> None:
    settings = process.world.loaded.settings

    assert summary(settings) == "mode enforce · auth keys · servers none yet · agents one"
    assert needs_restart(settings, settings) == []


async def test_how_callers_are_known_is_part_of_it(tmp_path: Path) -> None:
    def auth(text: str) -> str:
        more = "gateway: {public_url: https://gw.example, tls: {cert: c, key: k, client_ca: a}}"
        loaded = parse(f"version: 1\n{more}\nauth: {text}", path=tmp_path / "doorward.yaml", environ={})
        return summary(loaded.settings).split(" · ")[1]

    one, two = [f"{{issuer: https://{name}.example}}" for name in "ab"]
    assert auth("none") == "auth none (loopback only)"
    assert auth(f"{{issuers: [{one}]}}") == "auth tokens of 1 issuer"
    assert auth(f"{{keys: true, certificates: true, issuers: [{one}, {two}]}}") == (
        "auth keys, tokens of 2 issuers, certificates"
    )


PROXIED = """\
version: 1
gateway:
  listen: "127.0.0.1:0"
  state: state
  public_url: https://gw.example
  trusted_proxies: [10.0.0.0/8]
auth: {{keys: true}}
agents:
  {agent}: {{grants: []}}
"""


async def test_whom_to_believe_about_clients_changes_with_a_reload(process: Process, config: Path) -> None:
    assert not process.plane.settings.proxies.trusted
    write(config, text=PROXIED)

    assert await reload(process)

    proxies = process.plane.settings.proxies
    assert "10.1.2.3" in proxies.trusted
    with pytest.raises(CallerError):
        proxies.client("10.1.2.3", {b"x-forwarded-proto": b"http"})


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("proxy_protocol: [10.0.0.0/8]", "gateway.proxy_protocol"),
        ("connections: {total: 7}", "gateway.connections"),
    ],
)
async def test_what_the_listener_was_made_with_needs_a_restart(
    process: Process, config: Path, said: str, named: str
) -> None:
    old = process.world.loaded.settings
    write(
        config,
        text=PROXIED.replace("trusted_proxies: [10.0.0.0/8]", said.replace("{", "{{").replace("}", "}}")),
    )

    assert not await reload(process)

    assert named in needs_restart(old, load(config).settings)
    assert events(process)[-1]["detail"]["cause"].startswith("changes ")


async def test_an_operator_is_told_of_the_traffic_and_nobody_else(process: Process) -> None:
    assert "http" not in process.readiness()
    assert process.readiness(True)["http"] == {
        "connections": 0,
        "connections_max": 4096,
        "running": 0,
        "refused": {},
    }


async def test_other_limits_of_sessions_are_in_force_at_once(process: Process, config: Path) -> None:
    me = Principal("default", "me", "one", "key", "k")
    opened = [process.sessions.open(me, None, "2025-11-25", {}, {}) for _ in range(3)]
    write(config, text=TEXT.replace("state: state", "state: state, sessions: {{per_principal: 1}}"))

    assert await reload(process)
    last = process.sessions.open(me, None, "2025-11-25", {}, {})

    assert len(process.sessions) == 1
    assert process.sessions.find(last.id) is last
    assert all(process.sessions.find(one.id) is None for one in opened)
