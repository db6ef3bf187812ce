"""What retention takes out of a log, after which every proof still holds, whatever died on the way."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from doorward.app.evidence import NotInLog, prove
from doorward.audit import verifier
from doorward.audit.keep import class_of
from doorward.audit.verifier import Key, Receipt
from doorward.backends.files import prune as module
from doorward.backends.files.compress import compress
from doorward.backends.files.durable import OsFiles
from doorward.backends.files.hold import Held, Hold
from doorward.backends.files.read import read_records
from doorward.backends.files.segment_lines import segment_files
from doorward.model.errors import GatewayError
from tests.unit.backends.files.keeping import announce, closed, kept_log, kinds, prune, pruning, run
from tests.unit.backends.files.logs import (
    Dead,
    FaultyFiles,
    MemoryRing,
    Writer,
    content,
    faults,
    files_of,
    line,
    record,
    written,
)

pytestmark = pytest.mark.asyncio


@pytest.fixture
def ring() -> MemoryRing:
    return MemoryRing()


def records_of(directory: Path, number: int) -> list[bytes]:
    return list(closed(directory, number)[0].records())


def ident(number: int) -> str:
    return str(record("decision", number)["id"])


def segment_names(directory: Path, number: int) -> list[str]:
    return [name for name in files_of(directory) if name.lstrip(".").startswith(f"{number:08d}.")]


def classes_in(directory: Path, number: int) -> set[str | None]:
    return {class_of(each) for each in records_of(directory, number)}


@pytest.mark.parametrize("compressed", [False, True])
async def test_what_is_due_goes_and_the_log_stays_sound(
    tmp_path: Path, ring: MemoryRing, compressed: bool
) -> None:
    writer = await kept_log(tmp_path, ring)
    before, following = records_of(tmp_path, 1), closed(tmp_path, 1)[1]
    staying = [each for each in before if class_of(each) != "decisions"]
    if compressed:
        run(compress(closed(tmp_path, 1)[0], OsFiles()))
    pruned = await prune(writer, 1)
    assert pruned is not None
    assert (pruned.segment, pruned.first, pruned.records) == ("00000001", 0, len(before))
    assert (pruned.kept, pruned.root, pruned.classes) == (len(staying), following.root, ("decisions",))
    assert segment_names(tmp_path, 1) == ["00000001.kept.jsonl"]
    assert records_of(tmp_path, 1) == staying
    assert classes_in(tmp_path, 1) == {None, "changes"}
    assert (tmp_path / "00000001.kept.jsonl").stat().st_mode & 0o777 == 0o600
    assert faults(tmp_path) == []
    await writer.append(*kinds(50))
    await writer.log.close()
    assert faults(tmp_path) == []
    await written(tmp_path, ring, 0)
    assert faults(tmp_path) == []


async def test_each_class_in_its_time(tmp_path: Path, ring: MemoryRing) -> None:
    writer = await kept_log(tmp_path, ring)
    await prune(writer, 1, "decisions")
    await prune(writer, 2, "changes")
    assert classes_in(tmp_path, 2) == {None, "decisions"}
    pruned = await prune(writer, 1, "changes")
    assert pruned is not None
    assert (pruned.kept, pruned.classes) == (2, ("changes",))
    assert classes_in(tmp_path, 1) == {None}  # its own record, and the key that was replaced
    assert len(records_of(tmp_path, 1)) == 2
    await prune(writer, 2, "decisions")
    assert len(records_of(tmp_path, 2)) == 1
    await writer.log.close()
    assert faults(tmp_path) == []


async def test_that_something_was_pruned_stays_on_record(tmp_path: Path, ring: MemoryRing) -> None:
    writer = await kept_log(tmp_path, ring)
    await prune(writer, 1)
    number = segment_files(tmp_path)[-1].number
    for start in range(0, 600, 50):
        await writer.append(*kinds(50, start))
    await writer.settled()
    await prune(writer, number, "decisions", "changes")
    assert sum(b"segment_pruned" in each for each in records_of(tmp_path, number)) == 1
    await writer.log.close()
    assert faults(tmp_path) == []


async def test_receipts_of_what_is_left(tmp_path: Path, ring: MemoryRing) -> None:
    writer = await kept_log(tmp_path, ring)
    await prune(writer, 1)
    await writer.log.close()
    keys = [Key.parse(key.text) for key in list(writer.keys())]
    for number in (9, 99, 249):  # changes, in three tiles
        receipt = Receipt.parse(prove(tmp_path, ident(number), wait_s=0).text)
        receipt.check(keys)
        assert b"key:create" in receipt.record
    with pytest.raises(NotInLog):
        prove(tmp_path, ident(5), wait_s=0)


async def test_a_class_that_a_segment_does_not_have_changes_nothing(tmp_path: Path, ring: MemoryRing) -> None:
    writer = Writer(tmp_path, ring, segment_bytes=20_000)
    await writer.append(line(record("lifecycle", 0, event="started", detail={})))
    for start in range(0, 200, 50):
        await writer.append(*(line(record("lifecycle", start, event="noted")) for _ in range(50)))
    await writer.settled()
    made = pruning(tmp_path, 1)
    run(made.prepare())
    assert made.result is None
    assert not [name for name in files_of(tmp_path) if "kept" in name]
    await writer.log.close()


async def test_nothing_goes_while_the_log_is_held(tmp_path: Path, ring: MemoryRing) -> None:
    writer = await kept_log(tmp_path, ring)
    before = records_of(tmp_path, 1)
    made = pruning(tmp_path, 1)
    run(made.prepare())
    assert made.result is not None
    await announce(writer, made.result)
    Hold(tmp_path).place(Held(0, "me"))
    assert not made.finish()
    assert records_of(tmp_path, 1) == before
    assert faults(tmp_path) == []
    Hold(tmp_path).lift()
    assert made.finish()
    assert classes_in(tmp_path, 1) == {None, "changes"}
    await writer.log.close()
    assert faults(tmp_path) == []


@pytest.mark.parametrize("first", ["decisions", "changes"])
async def test_a_crash_at_any_step_leaves_a_sound_log(
    tmp_path: Path, ring: MemoryRing, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Of a whole segment, and of one that was pruned before."""
    monkeypatch.setattr(module, "STEP", 64)
    writer = await kept_log(tmp_path, ring, rotates=False)
    if first == "changes":
        await prune(writer, 1, "decisions")
    before = records_of(tmp_path, 1)
    staying = [each for each in before if class_of(each) != first]
    steps = 0
    while True:
        steps += 1
        made = pruning(tmp_path, 1, first)
        if len(run(made.prepare(), steps)) < steps:
            break
        assert records_of(tmp_path, 1) == before
    assert steps >= 2
    assert faults(tmp_path) == []
    assert made.result is not None
    await announce(writer, made.result)
    for dies_at in range(3):
        assert faults(tmp_path) == []
        again = pruning(tmp_path, 1, first, files=FaultyFiles(dies_at=dies_at))
        run(again.prepare())
        if again.result is None:  # nothing was left to do but to say so
            assert records_of(tmp_path, 1) == staying
            continue
        assert again.result == made.result
        assert run(again.announced())[-1]  # so it is said once
        with pytest.raises(Dead):
            again.finish()
        assert records_of(tmp_path, 1) in (before, staying)
    assert faults(tmp_path) == []
    assert (await prune(writer, 1, first) or made.result) == made.result
    assert records_of(tmp_path, 1) == staying
    await writer.log.close()
    assert faults(tmp_path) == []
    said = Counter(b'"segment_pruned"' in each for each in read_records(tmp_path))
    assert said[True] == (2 if first == "changes" else 1)


async def test_an_attempt_that_died_before_its_record_is_put_on_record(
    tmp_path: Path, ring: MemoryRing
) -> None:
    writer = await kept_log(tmp_path, ring)
    run(pruning(tmp_path, 1).prepare())
    os.utime(tmp_path / ".00000001.kept.jsonl.new", (2_000_000_000, 2_000_000_000))
    made = pruning(tmp_path, 1)
    run(made.prepare())
    assert made.since == 2_000_000_000_000
    assert True not in run(made.announced())
    await writer.log.close()


@pytest.mark.parametrize("fails", [0, 1, 2])
async def test_a_step_that_fails_can_be_done_again(tmp_path: Path, ring: MemoryRing, fails: int) -> None:
    writer = await kept_log(tmp_path, ring)
    files = FaultyFiles(fails=[fails])
    made = pruning(tmp_path, 1, files=files)
    run(made.prepare())
    assert made.result is not None
    await announce(writer, made.result)
    with pytest.raises(OSError, match="error"):
        made.finish()
    assert faults(tmp_path) == []
    assert made.finish()
    assert classes_in(tmp_path, 1) == {None, "changes"}
    await writer.log.close()
    assert faults(tmp_path) == []


def edit(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


async def test_what_was_changed_is_not_thrown_away(tmp_path: Path, ring: MemoryRing) -> None:
    """Somebody who edits a record must not be helped by retention."""
    writer = await kept_log(tmp_path, ring)
    edit(tmp_path / "00000001.jsonl", b'"call_id":"c"', b'"call_id":"d"')
    with pytest.raises(GatewayError, match=r"tile/0/000 does not fit the records of .*00000001\.jsonl"):
        run(pruning(tmp_path, 1).prepare())
    assert (tmp_path / "00000001.jsonl").exists()
    await writer.log.close()


async def test_records_that_were_cut_off_are_missed(tmp_path: Path, ring: MemoryRing) -> None:
    writer = await kept_log(tmp_path, ring)
    path = tmp_path / "00000002.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(GatewayError, match=r"does not fit|are not those that were sealed"):
        run(pruning(tmp_path, 2).prepare())
    await writer.log.close()


async def test_without_its_hashes_nothing_is_pruned(tmp_path: Path, ring: MemoryRing) -> None:
    writer = await kept_log(tmp_path, ring)
    tile = tmp_path / "tile" / "0" / "000"
    content = tile.read_bytes()
    tile.unlink()
    with pytest.raises(FileNotFoundError):
        run(pruning(tmp_path, 1).prepare())
    tile.write_bytes(content[32:] + content[:32])
    with pytest.raises(GatewayError, match="does not fit"):
        run(pruning(tmp_path, 1).prepare())
    level = next(path for path in (tmp_path / "tile" / "1").rglob("*") if path.is_file())
    level.write_bytes(level.read_bytes()[::-1])
    with pytest.raises(GatewayError, match="are not those of its first record"):
        run(pruning(tmp_path, 2).prepare())
    await writer.log.close()


async def test_kept_records_that_were_changed_stay(tmp_path: Path, ring: MemoryRing) -> None:
    writer = await kept_log(tmp_path, ring)
    await prune(writer, 1)
    edit(tmp_path / "00000001.kept.jsonl", b"key:create", b"key:revoke")
    with pytest.raises(GatewayError, match="is not what was sealed"):
        run(pruning(tmp_path, 1, "changes").prepare())
    await writer.log.close()


async def test_a_log_of_more_than_one_tile_level_and_of_a_place_within_a_tile(
    tmp_path: Path, ring: MemoryRing
) -> None:
    """Tiles that were partial when the segment ended have grown since."""
    writer = await kept_log(tmp_path, ring, count=1300)
    for number in [each.number for each in segment_files(tmp_path)[:-1]]:
        assert await prune(writer, number) is not None
    await writer.log.close()
    assert faults(tmp_path) == []


@pytest.mark.parametrize("opened", [False, True])
async def test_a_log_that_is_pruned_while_it_is_verified(
    tmp_path: Path, ring: MemoryRing, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    """The verifier has found the segment, or even read its first record, when it goes."""
    directory, shadow = tmp_path / "audit", tmp_path / "shadow"
    writer = await kept_log(directory, ring)
    before = verifier.find_segments(directory)
    shadow.mkdir()
    for segment in before:
        (shadow / segment.path.name).write_bytes(content(segment.path))
    await prune(writer, 1)
    await prune(writer, 2)
    await writer.log.close()
    real = verifier.opening_of
    if opened:
        monkeypatch.setattr(
            verifier,
            "opening_of",
            lambda segment: real(replace(segment, path=shadow / segment.path.name)),
        )
    monkeypatch.setattr(verifier, "find_segments", lambda _: before)
    assert faults(directory) == []


async def test_long_records_are_kept_and_believed(tmp_path: Path, ring: MemoryRing) -> None:
    """With their quotes escaped they are longer than any record."""
    writer = await kept_log(tmp_path, ring)
    long = line(record("change", 1, action="key:create", object='"' * 14_900))
    assert 29_000 < len(long) < 60_000
    await writer.append(*[long] * 40)
    await writer.append(*kinds(50))
    await writer.settled()
    for number in [each.number for each in segment_files(tmp_path)[:-1]]:
        await prune(writer, number)
    assert sum(len(each) > 29_000 for each in read_records(tmp_path)) == 40
    await writer.log.close()
    assert faults(tmp_path) == []
