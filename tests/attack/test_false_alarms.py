"""What happens to an honest log: the verifier must not cry over it, or nobody heeds it when it matters."""

import gzip
from pathlib import Path

import pytest

from doorward.audit import verifier
from doorward.audit.verifier import FAULT, Report, Segment, shown, verify
from tests.attack.logbook import Logbook

HOUR = 3_600_000


def faults(report: Report) -> list[str]:
    return [finding.code for finding in report.findings if finding.level == FAULT]


def started(root: Path) -> Logbook:
    book = Logbook(root / "audit")
    book.lifecycle("started")
    book.decisions(3)
    return book


def ended(book: Logbook) -> Report:
    book.lifecycle("stopped")
    book.checkpoint()
    return verify(book.root, now=book.ts / 1000)


@pytest.mark.parametrize("event", ["clock_moved", "suspended"])
@pytest.mark.parametrize("calls", [0, 3])
def test_a_machine_that_slept_was_not_silent(event: str, calls: int, tmp_path: Path) -> None:
    """Calls that were waiting are recorded before somebody looks at the clock."""
    book = started(tmp_path)
    book.ts += HOUR
    book.decisions(calls)
    book.lifecycle(event, seconds=3600)
    book.decisions(1)
    report = ended(book)
    assert report.sound, list(shown(report))


@pytest.mark.parametrize("after", [6_000, 2 * HOUR])
def test_a_clock_that_is_looked_at_later_explains_nothing(after: int, tmp_path: Path) -> None:
    book = started(tmp_path)
    book.ts += HOUR
    book.decisions(1)
    book.ts += after
    book.lifecycle("clock_moved", seconds=3600)
    report = ended(book)
    assert faults(report) == ["silence"]


def test_the_end_of_a_log_may_come_before_its_explanation(tmp_path: Path) -> None:
    book = started(tmp_path)
    book.ts += HOUR
    book.decisions(1)
    book.checkpoint()
    report = verify(book.root, now=book.ts / 1000)
    assert report.sound, list(shown(report))
    assert "silence" in {finding.code for finding in report.findings}


def test_a_machine_that_slept_just_before_a_checkpoint(tmp_path: Path) -> None:
    book = started(tmp_path)
    book.checkpoint()
    book.decisions(1)
    book.ts += 8 * HOUR
    book.lifecycle("clock_moved", seconds=8 * 3600)
    report = verify(book.root, now=book.ts / 1000)
    assert report.sound, list(shown(report))


def test_commands_write_changes_after_a_gateway_was_killed(tmp_path: Path) -> None:
    book = started(tmp_path)
    book.ts += HOUR
    book.lifecycle("log_recovered", segment="00000001.jsonl")
    book.put("change", action="key:create", object="x")
    book.checkpoint()
    book.ts += 24 * HOUR
    book.put("change", action="key:revoke", object="x")
    book.checkpoint()
    report = verify(book.root, now=book.ts / 1000)
    assert report.sound, list(shown(report))


def test_calls_after_a_recovery_need_a_start(tmp_path: Path) -> None:
    book = started(tmp_path)
    book.lifecycle("log_recovered", segment="00000001.jsonl")
    book.decisions(1)
    assert faults(ended(book)) == ["not_running"]


@pytest.mark.parametrize("tail", ["doorward.dev/log/00112233445566ff+12", "\0\0\0"])
def test_a_crash_while_a_key_was_written(tail: str, tmp_path: Path) -> None:
    book = started(tmp_path)
    with (book.root / "keys").open("a") as file:
        file.write(tail)
    report = ended(book)
    assert report.sound, list(shown(report))


@pytest.mark.parametrize(
    "tail", ['{"at":17600000', '{"at":\0\0\0', "\0\0\0\n", '\0"at":1,"note":"x"}\n{"at":']
)
def test_a_crash_while_a_checkpoint_was_written(tail: str, tmp_path: Path) -> None:
    book = started(tmp_path)
    book.checkpoint()
    with (book.root / "checkpoints" / "00000001.jsonl").open("a") as file:
        file.write(tail)
    report = verify(book.root, now=book.ts / 1000)
    assert report.sound, list(shown(report))


def test_a_crash_between_a_checkpoint_and_its_copy(tmp_path: Path) -> None:
    book = started(tmp_path)
    book.checkpoint()
    copy = (book.root / "checkpoint").read_text()
    book.decisions(1)
    book.checkpoint()
    (book.root / "checkpoint").write_text(copy)
    report = verify(book.root, now=book.ts / 1000)
    assert report.sound, list(shown(report))
    assert "checkpoint_old" in {finding.code for finding in report.findings}


def test_a_segment_that_is_compressed_while_the_log_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = started(tmp_path)
    book.open_segment()
    find = verifier.find_segments

    def found(directory: Path) -> list[Segment]:
        segments = find(directory)
        path = directory / "00000001.jsonl"
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        return segments

    book.lifecycle("stopped")
    book.checkpoint()
    monkeypatch.setattr(verifier, "find_segments", found)
    report = verify(book.root, now=book.ts / 1000)
    assert report.sound, list(shown(report))


def test_a_log_that_grows_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment, a key and their checkpoints come after the verifier has looked at each of the files."""
    book = started(tmp_path)
    book.checkpoint()
    names = iter(("_live", "_keys", "find_segments"))

    def growing(name: str) -> None:
        real = getattr(verifier, name)

        def then(*args: object) -> object:
            book.rotate()
            book.open_segment()
            book.decisions(300)
            book.checkpoint()
            return real(*args)

        monkeypatch.setattr(verifier, name, then)

    for name in names:
        growing(name)
    monkeypatch.setattr(verifier, "read_small", grown(book, verifier.read_small))
    report = verify(book.root, now=book.ts / 1000)
    assert not faults(report), list(shown(report))


def grown(book: Logbook, read_small: object) -> object:
    """Another checkpoint each time that one of the files which list them has been read."""

    def then(path: Path) -> bytes:
        content: bytes = read_small(path)  # type: ignore[operator]
        if path.name == "checkpoint" or path.parent.name == "checkpoints":
            book.decisions(1)
            book.checkpoint()
        return content

    return then
