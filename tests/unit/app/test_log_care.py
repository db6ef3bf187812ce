"""What a running log needs, put together."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from doorward.app.log import open_log
from doorward.app.log_care import LogCare
from doorward.app.revisions import Revisions
from doorward.app.state import paths
from doorward.audit.large import LargeRecords
from doorward.audit.recorder import Recorder
from doorward.backends.files.ring import FileRing
from doorward.pipeline.shares import Shares
from doorward.ports.audit import Pressure
from tests.unit.app.real_log import configured


@pytest.mark.asyncio
async def test_it_says_what_stops_calls_and_what_else_is_wrong(tmp_path: Path) -> None:
    loaded = configured(tmp_path)
    where = paths(loaded.settings)
    ring = FileRing(where.ring)
    log = open_log(where, ring, None)
    recorder = Recorder(
        log.records, ring, gateway="here", revision="r", modes={}, large=LargeRecords(Shares())
    )
    care = LogCare(log, where, lambda: SimpleNamespace(loaded=loaded, recorder=recorder))
    await care.look()
    assert (care.blocked, care.trouble) == (None, None)
    await care.admit(loaded)
    assert Revisions(where.revisions).text(loaded.digest) is not None

    running = [asyncio.get_running_loop().create_task(task) for task in care.tasks()]
    await asyncio.sleep(0.05)
    assert not [task for task in running if task.done()], "one of them ended by itself"
    for task in running:
        task.cancel()
    await asyncio.wait(running)

    log.records.failure = "the disk is gone"
    assert care.blocked == "the disk is gone"
    log.records.failure, log.records.pressure = None, Pressure.NOTHING
    assert care.blocked == "the disk is full"
    await log.records.close()
