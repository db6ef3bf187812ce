"""The disk of the log, watched."""

from pathlib import Path

import pytest

from doorward.app.space import Space, used
from doorward.config.audit import Disk
from doorward.ports.audit import Pressure


class Log:
    pressure = Pressure.NONE


@pytest.mark.asyncio
async def test_the_log_is_told_and_so_are_operators(tmp_path: Path) -> None:
    log, full = Log(), [91.0]
    space = Space(tmp_path, log, Disk, used=lambda _: full[0])
    await space.look()
    assert log.pressure is Pressure.ALL_STRICT
    assert space.text == "the disk of the audit log is 91.0 % full: every call waits for the disk"
    full[0] = 98.5
    await space.look()
    assert "calls that change something are refused" in (space.text or "")
    full[0] = 12.0
    await space.look()
    assert (log.pressure, space.text) == (Pressure.NONE, None)


@pytest.mark.asyncio
async def test_a_disk_that_does_not_say_changes_nothing(tmp_path: Path) -> None:
    log = Log()
    space = Space(tmp_path / "gone", log, Disk)
    await space.look()
    assert log.pressure is Pressure.NONE


def test_what_is_in_use_is_what_we_cannot_have(tmp_path: Path) -> None:
    assert 0 <= used(tmp_path) <= 100
