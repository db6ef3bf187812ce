"""Logs to look at: a ring in memory, a file port that can die at any step, and a writer with its sealer."""

import asyncio
import errno
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from doorward.audit.notes import VerifierKey, verifier_key
from doorward.audit.verifier import Report, verify
from doorward.backends.files.checkpoints import Checkpoints
from doorward.backends.files.durable import OsFiles
from doorward.backends.files.open_segment import OpenSegment
from doorward.backends.files.sealer import Pace, Sealer
from doorward.backends.files.segments import SegmentLog
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.secrets import Version

QUICK = Pace(seal_s=0.0, checkpoint_s=0.01, checkpoint_records=20, least_s=0.0, issue_s=0.0, retry_s=0.005)
PATIENCE_S = 20.0
NOW = 1_795_000_000.0


class MemoryRing:
    """RotatingRing whose keys are told apart at a glance."""

    def __init__(self) -> None:
        self.keys: dict[str, list[bytes]] = {}

    def current(self, purpose: str) -> tuple[int, bytes]:
        if purpose not in self.keys:
            self.rotate(purpose)
        return len(self.keys[purpose]), self.keys[purpose][-1]

    def version(self, purpose: str, number: int) -> bytes:
        return self.keys[purpose][number - 1]

    def purposes(self) -> tuple[str, ...]:
        return tuple(sorted(self.keys))

    def versions(self, purpose: str) -> tuple[Version, ...]:
        return tuple(Version(number + 1, "now") for number in range(len(self.keys.get(purpose, ()))))

    def rotate(self, purpose: str, announce: Callable[[bytes], None] | None = None) -> tuple[int, bytes]:
        made = self.keys.setdefault(purpose, [])
        made.append(bytes([len(made) + 1]) * 32)
        if announce is not None:
            announce(made[-1])
        return len(made), made[-1]


class Dead(Exception):
    """The process is gone: nothing that it does has an effect any more."""


def _dead(old: OpenSegment | None, promised: int = 0) -> OpenSegment:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


class FaultyFiles(OsFiles):
    """Dies at step `dies_at`, which is half done if `torn`; fails in the steps that `fails` names."""

    def __init__(self, *, dies_at: int = -1, torn: bool = False, fails: Iterable[int] = ()) -> None:
        self.steps: list[str] = []
        self.dead = False
        self.synced: dict[int, int] = {}
        """Bytes of a segment that are on the disk, by inode."""
        self._dies_at = dies_at
        self._torn = torn
        self.fails = frozenset(fails)
        self.broken: str | None = None
        """A part of the paths for which every step fails."""

    def _step(self, name: str, path: Path | str | None, half: Callable[[], object]) -> None:
        number = len(self.steps)
        self.steps.append(name)
        if self.dead or number == self._dies_at:
            if not self.dead and self._torn:
                half()
            self.dead = True
            raise Dead
        if number in self.fails or (self.broken is not None and self.broken in str(path)):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    def put(self, files: Sequence[tuple[Path, bytes]]) -> None:
        whole, rest = files[: len(files) // 2], files[len(files) // 2 :]

        def half() -> None:
            super(FaultyFiles, self).put(whole)
            for path, content in rest[:1]:
                self._half(path.with_name(f".{path.name}.new"), content)

        self._step("put", " ".join(str(path) for path, _ in files), half)
        super().put(files)

    def append(self, path: Path, lines: bytes) -> None:
        self._step("append", path, lambda: self._half(path, lines))
        super().append(path, lines)

    def publish(self, written: Path, path: Path) -> None:
        self._step("publish", path, lambda: None)
        super().publish(written, path)

    def sync(self, fd: int) -> None:
        self._step("sync", None, lambda: None)
        status = os.fstat(fd)
        self.synced[status.st_ino] = status.st_size

    def remove(self, path: Path) -> None:
        self._step("remove", path, lambda: None)
        super().remove(path)

    @staticmethod
    def _half(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(content[: len(content) // 2])


class Writer:
    """A log with its sealer, in `directory`; what was acknowledged is in `records`."""

    def __init__(
        self,
        directory: Path,
        ring: MemoryRing,
        *,
        files: FaultyFiles | None = None,
        anchor: Path | None = None,
        segment_bytes: int = 1 << 20,
        pace: Pace = QUICK,
    ) -> None:
        self.directory = directory
        self.ring = ring
        self.files = files or FaultyFiles()
        self.sealer = Sealer(
            directory, ring, files=self.files, anchor=anchor, pace=pace, gateway="here", clock=lambda: NOW
        )
        self.log = SegmentLog(directory, observer=self.sealer, segment_bytes=segment_bytes)
        self.records: list[bytes] = []

    async def append(self, *records: bytes) -> None:
        await asyncio.gather(*(self.log.append(record) for record in records))
        self.records += records

    async def settled(self) -> None:
        """Until everything is sealed, or the process is dead."""
        await until(lambda: self.files.dead or self.is_settled())
        if self.files.dead:
            raise Dead

    def is_settled(self) -> bool:
        figures = self.sealer.figures()
        return figures["records"] == figures["checkpoint"] and self.sealer._work is None

    async def rotate(self) -> None:
        """As `doorward secrets rotate checkpoints` does."""
        origin = self.keys()[0].name
        before = self.keys()[-1].text
        _, seed = self.ring.rotate("checkpoints")
        await self.append(change(before, verifier_key(origin, seed).text))

    def keys(self) -> list[VerifierKey]:
        return Checkpoints(self.directory, self.files).keys()

    def kill(self) -> None:
        """What the kernel does with the files of a dead process."""
        self.files.dead = True
        self.log._closed = True
        self.log._pending.clear()
        self.log._next.follow = _dead  # type: ignore[method-assign]
        self.log._syncer.close()
        for fd in {self.log._segment.fd, self.log._guard, self.sealer._fd} - {-1}:
            with suppress(OSError):
                os.close(fd)
        self.sealer._fd = -1
        self.sealer._closing = True


def note(number: int) -> bytes:
    """An ordinary record."""
    return line(record("lifecycle", number, event="noted", detail={"n": number}))


def change(before: str, after: str) -> bytes:
    members = {
        "action": "secret:rotate", "actor": {"subject": "me", "method": "cli"}, "object": "checkpoints",
        "before": {"key": before}, "after": {"key": after},
    }  # fmt: skip
    return line(record("change", 0, **members))


def line(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def record(kind: str, number: int, **members: Any) -> dict[str, Any]:
    ident = f"01a1ff66-72c8-7ac6-88cf-{number:012x}"
    return {
        "kind": kind,
        "v": 1,
        "id": ident,
        "ts": int(NOW * 1000) + number,
        "tenant": "default",
        **members,
    }


def notes(count: int, start: int = 0) -> list[bytes]:
    return [note(number) for number in range(start, start + count)]


def lines_of(directory: Path) -> list[bytes]:
    """Every record of all segments."""
    return [line for path in sorted(directory.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def judged(directory: Path, anchors: Sequence[Path] = ()) -> Report:
    """What the verifier says, who shares no code with the writer."""
    return verify(directory, anchors=anchors, now=NOW)


def faults(directory: Path, anchors: Sequence[Path] = ()) -> list[str]:
    return [
        f"{each.code}: {each.message}"
        for each in judged(directory, anchors).findings
        if each.level == "fault"
    ]


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not done():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.001)


async def written(directory: Path, ring: MemoryRing, count: int, **members: Any) -> None:
    """A log of `count` more records, closed."""
    writer = Writer(directory, ring, **members)
    await writer.append(*notes(count, start=len(lines_of(directory))))
    await writer.log.close()


def refusal(directory: Path, ring: MemoryRing, anchor: Path | None = None) -> str:
    """Why this log is not gone on with."""
    with pytest.raises(GatewayError) as caught:
        Writer(directory, ring, anchor=anchor).kill()
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    return caught.value.message


def content(path: Path) -> bytes:
    return path.read_bytes()


def segments_of(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.jsonl"))


def files_of(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def empty_directories(directory: Path) -> list[str]:
    return [str(path) for path in directory.rglob("*") if path.is_dir() and not any(path.iterdir())]
