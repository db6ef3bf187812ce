"""`doorward audit verify|prove|verify-receipt|keys|pack` at the terminal, on a log of the gateway's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.app.evidence import log_of
from doorward.cli.main import main
from tests.attack.logbook import signing_key, verifier_key
from tests.unit.app.real_log import configured, written


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The configuration's directory, and the ids of the calls."""
    root = tmp_path_factory.mktemp("log")
    return root, written(configured(root), 40)


def run(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, what people read, and what programs read."""
    config = ["-c", str(root / "doorward.yaml")]
    code = main(["audit", *words, *config])
    people = "".join(capsys.readouterr())
    main(["audit", *words, *config, "--json"])
    return code, people, json.loads(capsys.readouterr().out)


def test_keys_prove_and_verify_receipt_belong_together(
    log: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, ids = log
    code, _, keys = run(root, capsys, "keys")
    assert code == 0
    file = tmp_path / "receipt.tlog-proof"
    code, said, made = run(root, capsys, "prove", ids[7], "--output", str(file))
    assert (code, made["receipt"]) == (0, file.read_text("utf-8"))
    assert f"receipt of record {made['number']}" in said
    code, said, proven = run(root, capsys, "verify-receipt", str(file), "--key", keys["keys"][0])
    assert (code, proven["record"]["id"]) == (0, ids[7])
    assert "sound" in said
    stranger = verifier_key(signing_key(3))
    code, said, _ = run(root, capsys, "verify-receipt", str(file), "--key", stranger)
    assert code == 12
    assert "does not prove" in said
    assert run(root, capsys, "verify-receipt", str(file))[0] == 2
    assert run(root, capsys, "verify-receipt", str(tmp_path / "none"), "--key", stranger)[0] == 2
    assert run(root, capsys, "verify-receipt", str(file), "--key", "junk")[0] == 2


def test_an_id_that_no_record_has_is_said_so(
    log: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, _ = run(log[0], capsys, "prove", "nobody")
    assert code == 2
    assert "has the id nobody" in said


def test_verify_takes_the_log_of_the_configuration_or_any_other(
    log: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, _ = log
    code, said, report = run(root, capsys, "verify")
    # The clock of this log is no gateway's: a day passes between two records.
    assert {finding["code"] for finding in report["findings"]} == {"silence", "keys_unproven", "not_anchored"}
    assert code == 12
    assert "NOT SOUND" in said
    directory = str(log_of(configured(root)))
    assert run(tmp_path, capsys, "verify", directory)[2]["records"] == report["records"]
    code, said, report = run(tmp_path, capsys, "verify", str(tmp_path))
    assert (code, report["judged"]) == (2, False)
    assert "nothing to judge" in said


def test_a_pack_is_never_written_over_another_file(
    log: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, _ = log
    file = tmp_path / "q3.zip"
    config = ["-c", str(root / "doorward.yaml")]
    words = ["audit", "pack", "--period", "2026q3", "--output", str(file), *config]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "records and" in said
    assert "text was not kept" in said
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["audit", "pack", "--period", "never", *config]) == 2
    assert main(["audit", "pack", "--period", "2019", "--output", str(tmp_path / "none.zip"), *config]) == 2
    assert "no record of 2019" in capsys.readouterr().err
