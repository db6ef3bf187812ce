"""A gateway whose evidence falls behind serves on, and says so; a log that was changed is not opened."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from doorward.app.process import Process
from doorward.app.serve import reload
from doorward.audit.verifier import verify
from doorward.config.load import load
from doorward.model.errors import GatewayError
from tests.unit.backends.files.logs import content, files_of, until

pytestmark = pytest.mark.asyncio
TEXT = "version: 1\ngateway: {listen: '127.0.0.1:0', state: state}\naudit: {anchor: ANCHOR}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "doorward.yaml"
    path.write_text(TEXT.replace("ANCHOR", "first"))
    (tmp_path / "first").mkdir()
    return path


@pytest_asyncio.fixture
async def process(config: Path) -> AsyncIterator[Process]:
    opened = await Process.open(load(config))
    yield opened
    await opened.close()


def remove(anchor: Path) -> None:
    for path in anchor.iterdir():
        path.unlink()
    anchor.rmdir()


def make(anchor: Path) -> None:
    anchor.mkdir()


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def faults(folder: Path, anchor: str | None = None) -> list[str]:
    anchors = [] if anchor is None else list((folder / anchor).iterdir())
    found = verify(folder / "state" / "audit", anchors=anchors).findings
    return [each.message for each in found if each.level == "fault"]


async def test_an_anchor_that_is_gone_degrades_and_a_reload_names_another(
    process: Process, config: Path, tmp_path: Path
) -> None:
    assert process.readiness()["status"] == "ready"
    remove(tmp_path / "first")
    await process.recorder.lifecycle("noted")
    process.sealer._head()
    await until(lambda: process.sealer.trouble is not None)
    assert process.readiness()["status"] == "degraded"
    assert "first: No such file or directory" in process.readiness()["evidence"]
    put(config, TEXT.replace("ANCHOR", "second").encode())
    make(tmp_path / "second")
    assert await reload(process)
    await until(lambda: len(files_of(tmp_path / "second")) == 1)
    assert process.readiness()["status"] == "ready"


async def test_stopping_seals_and_anchors_all(config: Path, tmp_path: Path) -> None:
    process = await Process.open(load(config))
    await asyncio.gather(*(process.recorder.lifecycle("noted") for _ in range(300)))
    await process.close()
    report = verify(tmp_path / "state" / "audit")
    assert report.sealed == report.records == 303
    assert faults(tmp_path, "first") == []


async def test_reloads_do_not_disturb_it(process: Process, config: Path, tmp_path: Path) -> None:
    for number in range(5):
        put(config, f"{TEXT.replace('ANCHOR', 'first')}agents: {{a{number}: {{}}}}\n".encode())
        assert await reload(process)
        await asyncio.gather(*(process.recorder.lifecycle("noted") for _ in range(100)))
    sealer = process.sealer
    await until(lambda: sealer.size == sealer.figures()["records"])
    assert sealer.trouble is None
    assert faults(tmp_path) == []


async def test_a_changed_log_is_not_opened_and_nothing_is_held_for_it(config: Path, tmp_path: Path) -> None:
    process = await Process.open(load(config))
    await process.close()
    segment = tmp_path / "state" / "audit" / "00000001.jsonl"
    whole = content(segment)
    put(segment, whole.replace(b'"started"', b'"stopped"', 1))
    with pytest.raises(
        GatewayError, match=r"record 1 \(.*00000001\.jsonl:2\) is not what the newest checkpoint"
    ):
        await Process.open(load(config))
    put(segment, whole)
    await (await Process.open(load(config))).close()
    assert faults(tmp_path) == []
