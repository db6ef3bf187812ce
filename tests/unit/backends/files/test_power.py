"""Power is lost: of what was written since the last sync any page may be on the disk, and any other not."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.backends.files.disk import OsDisk
from doorward.backends.files.recover import segment_path
from doorward.backends.files.segments import SegmentLog
from doorward.ports.audit import Role
from tests.unit.backends.files.logs import (
    FaultyFiles,
    MemoryRing,
    Writer,
    faults,
    lines_of,
    note,
    refusal,
)

PAGE = 4096


class Power(OsDisk, FaultyFiles):
    """Knows what is safe: the length that the open segment had when its last sync began."""

    def __init__(self) -> None:
        FaultyFiles.__init__(self)
        self.log: SegmentLog | None = None
        self.safe: dict[Path, int] = {}

    def sync(self, fd: int) -> None:
        if self.log is not None and not self.dead:
            segment = self.log._segment
            path, size = segment.path, segment.size
            OsDisk.sync(self, fd)
            # The sealer's thread syncs as well, and what it began earlier may end later.
            self.safe[path] = max(size, self.safe.get(path, 0))


async def busy(directory: Path, ring: MemoryRing, turns: list[int]) -> tuple[Path, int, list[bytes]]:
    """A gateway that was killed in the middle; its open segment, what of it is safe, what was acknowledged as
    durable. Of each number in `turns` that many records are written in one turn; every third turn waits."""
    power = Power()
    writer = Writer(directory, ring, files=power)
    writer.log._disk = writer.log._segment._disk = writer.log._syncer._disk = power
    power.log = writer.log
    durable: list[bytes] = []
    number = 0
    for turn, count in enumerate(turns):
        lines = [note(number + at)[:-1] + b',"more":"%s"}' % (b"x" * 700) for at in range(count)]
        number += count
        role = Role.DURABLE if turn % 3 == 1 else Role.OTHER
        await asyncio.gather(*(writer.log.append(line, None, role) for line in lines))
        durable += lines if role is Role.DURABLE else []
    path = writer.log._segment.path
    size = power.safe.get(path, 0)
    writer.kill()
    return path, size, durable


def lose(path: Path, safe: int, pages: list[bool]) -> None:
    """Pages behind `safe` that are not kept read as zeros: their room was there before they were written."""
    content = bytearray(path.read_bytes())
    first = safe // PAGE
    for at, kept in enumerate(pages):
        start, end = max(safe, (first + at) * PAGE), (first + at + 1) * PAGE
        if not kept and start < len(content):
            content[start : min(end, len(content))] = bytes(min(end, len(content)) - start)
    path.write_bytes(content)


@settings(max_examples=40, deadline=None)
@given(
    turns=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    pages=st.lists(st.booleans(), min_size=1, max_size=14),
)
def test_what_is_left_is_gone_on_with(
    tmp_path_factory: pytest.TempPathFactory, turns: list[int], pages: list[bool]
) -> None:
    directory, ring = tmp_path_factory.mktemp("power") / "audit", MemoryRing()

    async def run() -> None:
        path, safe, durable = await busy(directory, ring, turns)
        lose(path, safe, pages)
        again = Writer(directory, ring)
        await again.append(note(10_000))
        await again.log.close()
        found = lines_of(directory)
        assert set(durable) <= set(found)
        assert found[-1] == note(10_000)
        assert faults(directory) == []

    asyncio.run(run())


@pytest.mark.asyncio
@pytest.mark.parametrize("change", ["a hole", "junk"])
async def test_what_was_sealed_is_not_cut_off_as_if_power_had_been_lost(tmp_path: Path, change: str) -> None:
    """Somebody put it there; it stays as it is, for whoever looks into that."""
    directory, ring = tmp_path / "audit", MemoryRing()
    writer = Writer(directory, ring)
    await writer.append(*(note(number) for number in range(20)))
    await writer.settled()
    writer.kill()
    path = segment_path(directory, 1)
    content = path.read_bytes()
    if change == "junk":
        end = content.rindex(b"}\n")
        changed = content[: end - 30] + b"x" * 31 + content[end + 1 :]
    else:
        at = len(content.rstrip(b"\0")) // 2
        changed = content[:at] + bytes(100) + content[at + 100 :]
    path.write_bytes(changed)
    assert "checkpoint covers" in refusal(directory, ring)
    assert path.read_bytes() == changed
