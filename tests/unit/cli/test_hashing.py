"""`doorward audit hash` at the terminal: the digest that stands in the log, and a record of who asked."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from doorward.app.log import open_log
from doorward.app.state import paths
from doorward.audit.ids import uuid7
from doorward.audit.large import LargeRecords
from doorward.audit.recorder import Recorder
from doorward.backends.files.read import last_records
from doorward.backends.files.ring import FileRing
from doorward.cli import hashing
from doorward.cli.main import main
from doorward.config.load import Loaded
from doorward.model.call import Credential, Inbound
from doorward.model.principal import Principal
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Permit
from doorward.pipeline.shares import Shares
from tests.support.calls import tool_call
from tests.unit.app.real_log import configured

ARGUMENTS = {"path": "/a", "depth": 2.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a configuration whose gateway has had one call."""
    made = tmp_path_factory.mktemp("log")
    asyncio.run(recorded(configured(made)))
    return made


async def recorded(loaded: Loaded) -> None:
    where = paths(loaded.settings)
    ring = FileRing(where.ring)
    log = open_log(where, ring, None).records
    recorder = Recorder(log, ring, gateway="g", revision="r", modes={}, large=LargeRecords(Shares()))
    call = tool_call("read", ARGUMENTS)
    inbound = Inbound("http", None, Credential("s", "192.0.2.7", False, False), {}, b"", None)
    anna = Principal("default", "anna", "bot", "key")
    target = Target("files", Kind.TOOL, "read", OperationClass.READ)
    permit = Permit(call, anna, target, uuid7(), ())
    await recorder.decision(permit.decision_id, anna, permit, inbound=inbound, call=call, target=target)
    await log.close()


def run(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, what people read, and what programs read."""
    config = ["-c", str(root / "doorward.yaml")]
    code = main(["audit", "hash", *words, *config])
    people = "".join(capsys.readouterr())
    main(["audit", "hash", *words, *config, "--json"])
    return code, people, json.loads(capsys.readouterr().out)


def logged(root: Path) -> list[dict[str, Any]]:
    [directory] = {path.parent for path in root.rglob("*.jsonl") if path.parent.name == "audit"}
    return [json.loads(line) for line in last_records(directory, 1000)]


def test_the_digest_of_arguments_is_the_one_in_the_log(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [args] = [one["args"] for one in logged(root) if one["kind"] == "decision"]
    code, said, found = run(root, capsys, "--value", '{ "depth": 2e0, "path": "\\u002fa" }')
    assert code == 0
    [digests] = found["digests"]
    assert (digests["canonical"], digests["key"]) == (args["received_hmac"], args["key"])
    assert digests["canonical"] in said
    assert digests["raw"] in said


def test_each_use_is_recorded_with_who_and_not_what(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sum(one["kind"] == "change" for one in logged(root))
    _, _, found = run(root, capsys, "--value", "canary-55aa")
    changes = [one for one in logged(root) if one["kind"] == "change"][before:]
    assert [one["action"] for one in changes] == ["audit:hash", "audit:hash"]
    assert changes[0]["object"].startswith("digest:default:")
    assert changes[0]["actor"]["method"] == "cli"
    said = json.dumps(changes)
    assert "canary" not in said
    assert found["digests"][0]["raw"] not in said
    assert found["digests"][0]["canonical"] is None


def test_a_file_and_standard_input_are_taken_byte_for_byte(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "value"
    found = []
    for data in (b'{"a":1}', b'{"a":1}\n', b"\xff\x00"):
        file.write_bytes(data)
        code, _, of_file = run(root, capsys, "--file", str(file))
        assert code == 0
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        main(["audit", "hash", "--stdin", "--json", "-c", str(root / "doorward.yaml")])
        assert json.loads(capsys.readouterr().out)["digests"] == of_file["digests"]
        found.append(of_file["digests"][0])
    assert found[0]["canonical"] == found[1]["canonical"]
    assert len({each["raw"] for each in found}) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--value", "1", "--quarter", "soon"], "no quarter"),
        (["--value", "1", "--quarter", "1999q1"], "there is no key digest:default:1999q1"),
        (["--value", "1", "--tenant", "stranger"], "there is no key digest:stranger"),
        (["--file", "/nowhere/at/all"], "cannot read it"),
        ([], "one of the arguments"),
        (["--value", "1", "--stdin"], "not allowed with"),
    ],
)
def test_what_cannot_be_answered_is_said_so(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    before = len(logged(root))
    assert main(["audit", "hash", *words, "-c", str(root / "doorward.yaml")]) == 2
    assert said in capsys.readouterr().err
    assert len(logged(root)) == before


def test_what_is_larger_than_any_message_is_not_read_whole(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "MAX_BYTES", 10)
    (tmp_path / "large").write_bytes(b"x" * 11)
    assert main(["audit", "hash", "--file", str(tmp_path / "large"), "-c", str(root / "doorward.yaml")]) == 2
    assert "larger than 10 bytes" in capsys.readouterr().err
