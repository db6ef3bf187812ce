"""Nothing acknowledged is lost when the writer is killed, whenever that is."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from doorward.backends.files.read import read_records
from doorward.backends.files.segments import SegmentLog

APPENDER = Path(__file__).with_name("appender.py")
KILLS = 20


def killed_after(seconds: float, directory: Path, first: int) -> list[int]:
    """The numbers whose append returned before SIGKILL."""
    process = subprocess.Popen(
        [sys.executable, str(APPENDER), str(directory), str(first)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    begun = process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    rest, _ = process.communicate()
    # The last line may be cut off: a number that was not printed whole proves nothing.
    return [int(line) for line in (begun + rest).splitlines(keepends=True) if line.endswith(b"\n")]


@pytest.mark.asyncio
async def test_what_was_acknowledged_is_in_the_log_after_20_kills(tmp_path: Path) -> None:
    chance = random.Random(7)
    acknowledged: list[int] = []
    for kill in range(KILLS):
        done = killed_after(chance.uniform(0, 0.05), tmp_path / "audit", kill * 1_000_000)
        assert done
        acknowledged += done
        log = SegmentLog(tmp_path / "audit")
        await log.close()
    found = [json.loads(record)["n"] for record in read_records(tmp_path / "audit")]
    assert set(acknowledged) <= set(found)
    assert found == sorted(found)
    assert len(found) == len(set(found))
