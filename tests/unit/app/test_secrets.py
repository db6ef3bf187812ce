"""The key that signs the log is replaced with and without a gateway, and every step of it is in the log."""

import json
from pathlib import Path

import pytest

from doorward.app.keys import open_keys
from doorward.app.process import Process
from doorward.app.secrets import open_secrets
from doorward.app.state import open_ring, paths
from doorward.audit.notes import parse_note, parse_verifier_key, signers
from doorward.audit.verifier import verify
from doorward.backends.sql.sqlite import open_sqlite
from doorward.config.load import Loaded, parse
from doorward.control.keys import Wanted
from tests.unit.backends.files.logs import until


@pytest.fixture
def config(tmp_path: Path) -> Loaded:
    text = "version: 1\nagents: {a: {}}\ngateway: {listen: '127.0.0.1:0'}\n"
    return parse(text, path=tmp_path / "doorward.yaml", environ={})


def log_of(config: Loaded) -> Path:
    return paths(config.settings).audit


def keys_of(config: Loaded) -> list[str]:
    return (log_of(config) / "keys").read_text().splitlines()


def faults(config: Loaded) -> list[str]:
    return [each.message for each in verify(log_of(config)).findings if each.level == "fault"]


def changes(config: Loaded) -> list[dict[str, object]]:
    lines = (log_of(config) / "00000001.jsonl").read_bytes().splitlines()
    found = [json.loads(line) for line in lines]
    return [one for one in found if one["kind"] == "change" and one["action"] != "operator:create"]


def test_nothing_is_listed_before_anything_is_needed(config: Loaded) -> None:
    with open_secrets(config) as service:
        assert service.all() == []
    assert not log_of(config).exists()


def test_a_log_that_was_never_written_is_begun_first(config: Loaded) -> None:
    with open_secrets(config) as service:
        before, after = service.rotate_checkpoints()
    assert keys_of(config) == [before, after]
    [change] = changes(config)
    assert (change["action"], change["object"]) == ("secret:rotate", "checkpoints")
    assert (change["before"], change["after"]) == ({"key": before}, {"key": after})
    note = parse_note((log_of(config) / "checkpoint").read_bytes())
    keys = [parse_verifier_key(text) for text in (before, after)]
    assert signers(note, keys) == keys
    assert faults(config) == []


def test_one_after_the_other(config: Loaded) -> None:
    rotated = []
    for _ in range(3):
        with open_secrets(config) as service:
            rotated.append(service.rotate_checkpoints())
            assert [len(each.versions) for each in service.all() if each.purpose == "checkpoints"] == [
                len(rotated) + 1
            ]
        with open_keys(config) as keys:
            keys.create(Wanted(agent="a"))
    assert [before for before, _ in rotated[1:]] == [after for _, after in rotated[:-1]]
    assert keys_of(config) == [rotated[0][0], *(after for _, after in rotated)]
    assert faults(config) == []


def test_several_before_the_log_has_seen_the_first(config: Loaded) -> None:
    with open_secrets(config) as service:
        rotated = [service.rotate_checkpoints() for _ in range(3)]
    assert [before for before, _ in rotated[1:]] == [after for _, after in rotated[:-1]]
    assert faults(config) == []


def test_a_rotation_that_died_between_ring_and_store_harms_nobody(config: Loaded) -> None:
    with open_secrets(config) as service:
        before, after = service.rotate_checkpoints()
    store = open_sqlite(paths(config.settings).database)
    open_ring(paths(config.settings), store).rotate("checkpoints")
    store.close()
    with open_keys(config) as keys:
        keys.create(Wanted(agent="a"))
    assert keys_of(config) == [before, after]
    with open_secrets(config) as service:
        again = service.rotate_checkpoints()
    assert again[0] == after
    assert keys_of(config) == [before, after, again[1]]
    assert faults(config) == []


@pytest.mark.asyncio
async def test_a_running_gateway_goes_on_with_the_new_key(config: Loaded) -> None:
    process = await Process.open(config)
    try:
        with open_secrets(config) as service:
            # Left without settling: the gateway of this thread cannot take the record before we are done.
            before, after = service.rotate_checkpoints()
            service._store.outbox = lambda *_: []  # type: ignore[attr-defined]
        await until(lambda: keys_of(config) == [before, after])
        await until(lambda: process.sealer.checkpoint >= 3)
        assert process.sealer.trouble is None
        assert process.readiness()["evidence"] == "ok"
        assert process.readiness(operator=True)["log"]["checkpoint"] == process.sealer.checkpoint
        assert "log" not in process.readiness()
    finally:
        await process.close()
    assert faults(config) == []
