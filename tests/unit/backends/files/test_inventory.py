"""What is known of the segments of a log, whatever their forms."""

from pathlib import Path

import pytest

from doorward.backends.files.compress import compress
from doorward.backends.files.durable import OsFiles
from doorward.backends.files.inventory import Inventory
from doorward.backends.files.segment_lines import SegmentFile, segment_files
from doorward.model.errors import GatewayError
from tests.unit.backends.files.keeping import kept_log, prune, run
from tests.unit.backends.files.logs import MemoryRing

pytestmark = pytest.mark.asyncio


async def test_closed_segments_that_a_checkpoint_covers(tmp_path: Path) -> None:
    writer = await kept_log(tmp_path, MemoryRing())
    inventory = Inventory(tmp_path)
    run(inventory.look())
    count = len(segment_files(tmp_path))
    assert count >= 3
    ends = [inventory.opening(number).first for number in range(2, count + 1)]
    assert [file.number for file, _ in inventory.closed(ends[-1])] == list(range(1, count))
    assert [following.first for _, following in inventory.closed(ends[-1])] == ends
    assert [file.number for file, _ in inventory.closed(ends[0])] == [1]
    assert inventory.closed(ends[0] - 1) == []
    await writer.log.close()


async def test_what_segments_have_lost_is_known_after_a_restart_too(tmp_path: Path) -> None:
    writer = await kept_log(tmp_path, MemoryRing())
    first = segment_files(tmp_path)[0]
    run(compress(first, OsFiles()))
    await prune(writer, 1)
    await prune(writer, 2, "decisions", "changes")
    inventory = Inventory(tmp_path)
    run(inventory.look())
    spans = {span.number: span.lost for span in inventory.spans(writer.sealer.checkpoint)}
    assert spans[1] == {"decisions"}
    assert spans[2] == {"decisions", "changes"}
    inventory.without(1, {"changes"})
    lost = {span.number: span.lost for span in inventory.spans(1 << 40)}
    assert lost[1] == {"decisions", "changes"}
    await writer.log.close()


async def test_a_first_record_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = await kept_log(tmp_path, MemoryRing())
    await writer.log.close()
    inventory = Inventory(tmp_path)
    run(inventory.look())
    monkeypatch.setattr(SegmentFile, "begins", None)
    run(inventory.look())
    assert len(inventory.files) == len(segment_files(tmp_path))


async def test_a_segment_whose_maker_died_at_once_counts_for_nothing(tmp_path: Path) -> None:
    writer = await kept_log(tmp_path, MemoryRing())
    await writer.log.close()
    count = len(segment_files(tmp_path))
    (tmp_path / f"{count + 1:08d}.jsonl").touch()
    inventory = Inventory(tmp_path)
    run(inventory.look())
    assert len(inventory.files) == count


async def test_a_segment_in_the_middle_without_a_record_is_refused(tmp_path: Path) -> None:
    writer = await kept_log(tmp_path, MemoryRing())
    await writer.log.close()
    (tmp_path / "00000002.jsonl").write_bytes(b"")
    with pytest.raises(GatewayError, match=r"00000002\.jsonl has no record"):
        run(Inventory(tmp_path).look())
