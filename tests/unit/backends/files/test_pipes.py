"""A pipe where a file of the log belongs keeps whoever opens it waiting for ever: a start says so instead."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from doorward.model.errors import GatewayError
from tests.unit.backends.files.logs import MemoryRing, Writer, written

NAMES = (
    "keys", "checkpoint", "checkpoints/00000002.jsonl", "tile/0/001.p/46", "tile/1/000.p/1",
    "00000001.jsonl", "00000001.jsonl.gz", "00000001.kept.jsonl", "00000002.jsonl",
)  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("name", NAMES)
async def test_a_pipe_keeps_no_start_waiting(name: str, tmp_path: Path) -> None:
    directory, ring = tmp_path / "audit", MemoryRing()
    await written(directory, ring, 300, segment_bytes=40_000)
    path = directory / name
    if "00000001" in name:
        (directory / "00000001.jsonl").unlink()
    path.unlink(missing_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)

    def start() -> str:
        try:
            Writer(directory, ring).kill()
        except GatewayError as error:
            return error.message
        return "started"

    async with asyncio.timeout(20):
        said = await asyncio.to_thread(start)
    assert str(directory) in said or said == "started"


def test_each_of_them_is_read(tmp_path: Path) -> None:
    """Or the test above would say nothing."""
    asyncio.run(written(tmp_path / "audit", MemoryRing(), 300, segment_bytes=40_000))
    for name in NAMES:
        if name not in {"00000001.jsonl.gz", "00000001.kept.jsonl"}:
            assert (tmp_path / "audit" / name).exists(), name
