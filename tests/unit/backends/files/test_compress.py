"""Closed segments made smaller: the log is sound and whole at every step, whatever dies or fails."""

import errno
import gzip
from pathlib import Path

import pytest

from doorward.backends.files import compress as module
from doorward.backends.files.compress import compress
from doorward.backends.files.read import read_records
from doorward.backends.files.segment_lines import segment_files
from doorward.model.errors import GatewayError
from tests.unit.backends.files.keeping import kept_log, run
from tests.unit.backends.files.logs import (
    Dead,
    FaultyFiles,
    MemoryRing,
    content,
    faults,
    files_of,
    line,
    record,
    written,
)


@pytest.fixture
def ring() -> MemoryRing:
    return MemoryRing()


@pytest.mark.asyncio
async def test_the_records_are_the_same_and_the_log_is_sound_while_it_is_written(
    tmp_path: Path, ring: MemoryRing
) -> None:
    writer = await kept_log(tmp_path, ring)
    before = list(read_records(tmp_path))
    plain = content(tmp_path / "00000001.jsonl")
    for segment in segment_files(tmp_path)[:-1]:
        run(compress(segment, FaultyFiles()))
    assert [each.form for each in segment_files(tmp_path)][-2:] == ["jsonl.gz", "jsonl"]
    assert list(read_records(tmp_path)) == before
    first = tmp_path / "00000001.jsonl.gz"
    assert gzip.decompress(first.read_bytes()) == plain
    assert first.stat().st_size * 4 < len(plain)
    assert first.stat().st_mode & 0o777 == 0o600
    await writer.append(line(record("heartbeat", 0)))

    await writer.log.close()
    assert faults(tmp_path) == []
    await written(tmp_path, ring, 0)  # and it is gone on with
    assert faults(tmp_path) == []


@pytest.mark.asyncio
async def test_a_crash_at_any_step_leaves_a_whole_log(
    tmp_path: Path, ring: MemoryRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP", 8192)
    await (await kept_log(tmp_path, ring)).log.close()
    before, [segment, *_] = list(read_records(tmp_path)), segment_files(tmp_path)
    whole = segment.path.read_bytes()
    steps = 0
    while True:
        steps += 1
        done = len(run(compress(segment, FaultyFiles()), steps)) < steps
        assert list(read_records(tmp_path)) == before
        assert faults(tmp_path) == []
        if done:
            break
        segment.path.write_bytes(whole)
    assert steps > 10
    assert not segment.path.exists()


@pytest.mark.asyncio
@pytest.mark.parametrize("dies_at", [0, 1])
async def test_a_death_between_naming_and_removing(tmp_path: Path, ring: MemoryRing, dies_at: int) -> None:
    await (await kept_log(tmp_path, ring)).log.close()
    before, [segment, *_] = list(read_records(tmp_path)), segment_files(tmp_path)
    with pytest.raises(Dead):
        run(compress(segment, FaultyFiles(dies_at=dies_at)))
    assert segment.path.exists()
    assert list(read_records(tmp_path)) == before
    assert faults(tmp_path) == []
    run(compress(segment, FaultyFiles()))
    assert not segment.path.exists()
    assert list(read_records(tmp_path)) == before
    assert not [name for name in files_of(tmp_path) if name.startswith(".")]


@pytest.mark.asyncio
@pytest.mark.parametrize("fails", [0, 1])
async def test_a_step_that_fails_can_be_done_again(tmp_path: Path, ring: MemoryRing, fails: int) -> None:
    await (await kept_log(tmp_path, ring)).log.close()
    before, [segment, *_] = list(read_records(tmp_path)), segment_files(tmp_path)
    files = FaultyFiles(fails=[fails])
    with pytest.raises(OSError, match="error"):
        run(compress(segment, files))
    assert list(read_records(tmp_path)) == before
    run(compress(segment, files))
    assert list(read_records(tmp_path)) == before
    assert segment_files(tmp_path)[0].form == "jsonl.gz"


def test_reserved_room_is_not_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP", 8)
    (tmp_path / "00000001.jsonl").write_bytes(b"{}\n{}\n" + bytes(100))
    [segment] = segment_files(tmp_path)
    run(compress(segment, FaultyFiles()))
    assert gzip.decompress((tmp_path / "00000001.jsonl.gz").read_bytes()) == b"{}\n{}\n"


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (b"", "does not end with a whole record"),
        (b"\0" * 20, "does not end with a whole record"),
        (b'{}\n{"to', "does not end with a whole record"),
        (b'{}\n{"to' + bytes(40), "does not end with a whole record"),
        (b"{}\n" + bytes(40) + b"{}\n", "has something behind its last record"),
        (b"{}\n" + bytes(5) + b"{}\n" + bytes(40), "has something behind its last record"),
    ],
)
def test_what_is_damaged_stays_as_it_is(
    tmp_path: Path, damaged: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP", 16)
    path = tmp_path / "00000001.jsonl"
    path.write_bytes(damaged)
    [segment] = segment_files(tmp_path)
    with pytest.raises(GatewayError, match=words):
        run(compress(segment, FaultyFiles()))
    assert path.read_bytes() == damaged
    assert [each.form for each in segment_files(tmp_path)] == ["jsonl"]


def test_a_disk_that_gives_back_something_else_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "00000001.jsonl"
    path.write_bytes(b"{}\n" * 100)
    [segment] = segment_files(tmp_path)
    steps = compress(segment, FaultyFiles())
    monkeypatch.setattr(module.gzip, "open", lambda _: (tmp_path / "other").open("rb"))
    (tmp_path / "other").write_bytes(b"{}\n" * 99)
    with pytest.raises(OSError, match="reads otherwise") as caught:
        run(steps)
    assert caught.value.errno == errno.EIO
    assert path.exists()
