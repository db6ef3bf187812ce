"""A pack, judged as an auditor would: by its own verifier, in a Python that knows nothing of Doorward."""

import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from doorward.app.evidence import make_pack, verifier_keys
from doorward.app.keeping import prune
from doorward.app.pack import NothingToPack, Period
from doorward.app.revisions import Revisions
from doorward.app.state import paths
from doorward.audit.verifier import Key, verify, verify_pack
from doorward.cli.period import period_of
from doorward.config.load import Loaded
from tests.unit.app.real_log import START, configured, written


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    loaded = configured(tmp_path_factory.mktemp("packed"))
    written(loaded)
    Revisions(paths(loaded.settings).revisions).keep(loaded)
    return loaded


def period(text: str) -> Period:
    return Period(*period_of(text, datetime.fromtimestamp(START, UTC)))


def unpacked(log: Loaded, text: str, root: Path) -> Path:
    make_pack(log, period(text), root / "pack.zip")
    with zipfile.ZipFile(root / "pack.zip") as archive:
        archive.extractall(root / "pack")
    return root / "pack"


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def key_of(log: Loaded) -> str:
    return verifier_keys(paths(log.settings).audit)[0]


def test_the_log_itself_is_sound_and_has_several_segments(log: Loaded) -> None:
    report = verify(paths(log.settings).audit, keys=[Key.parse(key_of(log))])
    # A day between two records is a silence that no heartbeat explains: this clock is not a gateway's.
    assert {finding.code for finding in report.findings} <= {"silence", "not_anchored"}
    assert report.segments > 3
    assert report.sealed == report.records > 150


@pytest.mark.parametrize("text", ["2026q3", "2026-08", "2026-10..2026-11", "2026"])
def test_it_is_judged_by_its_own_verifier_alone(log: Loaded, text: str, tmp_path: Path) -> None:
    root = unpacked(log, text, tmp_path)
    report = verify_pack(root, keys=[Key.parse(key_of(log))])
    assert {finding.code for finding in report.findings} <= {"silence", "not_anchored"}
    arguments = ["verify.py", "--pack", ".", "--key", key_of(log), "--json"]
    site = tmp_path / "site"  # of all that is installed here, only what the verifier may use
    site.mkdir()
    for path in map(Path, sys.path):
        for name in ("cryptography", "cffi", "_cffi_backend*.so"):
            for found in path.glob(name):
                (site / found.name).symlink_to(found)
    start = (
        f"import runpy, sys; sys.path.append({str(site)!r}); sys.argv = {arguments!r}; "
        "runpy.run_path('verify.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert json.loads(done.stdout)["trusted"], done.stderr


def test_it_holds_the_period_the_policies_the_changes_and_the_requirements(
    log: Loaded, tmp_path: Path
) -> None:
    root = unpacked(log, "2026-08", tmp_path)
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert {
        "README.md",
        "verify.py",
        "controls.md",
        "changes.jsonl",
        "manifest.json",
        "manifest.note",
    } <= names
    assert f"policies/{log.digest}.yaml" in names
    rows = [
        json.loads(line)
        for file in (root / "log").glob("*.jsonl")
        if "kept" not in file.name
        for line in file.read_bytes().splitlines()
    ]
    days = {row["ts"] for row in rows}
    wanted = period("2026-08")
    assert sum(wanted.has(ts) for ts in days) >= 30
    assert "none." in (root / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "code"),
    [("controls.md", "pack_changed"), ("changes.jsonl", "pack_changed"), ("manifest.json", "pack_damaged")],
)
def test_what_is_changed_in_it_is_found(log: Loaded, name: str, code: str, tmp_path: Path) -> None:
    root = unpacked(log, "2026-08", tmp_path)
    (root / name).write_bytes((root / name).read_bytes() + b" ")
    assert code in {finding.code for finding in verify_pack(root).findings}


def test_what_is_put_in_or_taken_out_is_found(log: Loaded, tmp_path: Path) -> None:
    root = unpacked(log, "2026-08", tmp_path)
    (root / "controls.md").unlink()
    (root / "more.txt").write_text("hello", "utf-8")
    assert {"pack_incomplete", "pack_foreign"} <= {finding.code for finding in verify_pack(root).findings}


def test_a_period_without_records_makes_no_file(log: Loaded, tmp_path: Path) -> None:
    with pytest.raises(NothingToPack):
        make_pack(log, period("2019"), tmp_path / "pack.zip")
    assert not list(tmp_path.iterdir())


def test_of_what_retention_has_taken_out_the_rest_is_packed(tmp_path: Path) -> None:
    loaded = configured(tmp_path)
    written(loaded)
    assert len(prune(loaded, dry_run=False, now=START + 800 * 86_400.0).done) >= 2
    root = unpacked(loaded, "2026q3", tmp_path)
    faults = {finding.code for finding in verify_pack(root).findings if finding.level == "fault"}
    assert faults <= {"silence"}
    kept = [json.loads(line) for path in (root / "log").glob("*.kept.jsonl") for line in lines(path)]
    assert len(kept) >= 3
    assert b'"started"' in (root / "changes.jsonl").read_bytes()
    assert "whose hashes are here: none" not in (root / "README.md").read_text("utf-8")
