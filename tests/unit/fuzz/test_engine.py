from itertools import islice
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import run
from tests.fuzz.engine import MAX_INPUT, Differential, Tally, Target, fuzz, mutations


def target(broken_by: bytes) -> Target:
    def check(data: bytes) -> None:
        if broken_by in data:
            raise KeyError("broken")

    return Target("planted", check, (b"hello world", b"other"), (b"needle",))


def test_a_planted_fault_is_found_counted_once_and_kept(tmp_path: Path) -> None:
    tally = fuzz(target(b"needle"), 0.3, 1, tmp_path)
    assert tally.executions > 2
    assert len(tally.crashes) == 1
    assert tally.crashes[0].startswith("planted: KeyError at test_engine.py:")
    (kept,) = tmp_path.iterdir()
    assert b"needle" in kept.read_bytes()


def test_a_sound_target_has_no_crash(tmp_path: Path) -> None:
    assert fuzz(target(b"cannot be made of these words"), 0.1, 1, tmp_path).crashes == []
    assert list(tmp_path.iterdir()) == []


def test_every_seed_runs_however_short_the_time(tmp_path: Path) -> None:
    assert fuzz(target(b"other"), 0.0, 1, tmp_path).crashes


def test_a_run_can_be_repeated() -> None:
    first, again, other = (list(islice(mutations(target(b""), Random(seed)), 200)) for seed in (1, 1, 2))
    assert first == again != other
    assert max(map(len, first)) <= MAX_INPUT


def test_targets_are_chosen_by_name() -> None:
    assert run.chosen("") == list(run.TARGETS)
    assert [one.name for one in run.chosen("sse,strict")] == ["strict", "sse"]
    with pytest.raises(SystemExit, match="nothing-like-it"):
        run.chosen("sse,nothing-like-it")


def test_a_difference_is_counted_apart_from_crashes(tmp_path: Path) -> None:
    def differs(data: bytes) -> None:
        if b"needle" in data:
            raise Differential("h11: reads it otherwise")

    tally = fuzz(Target("planted", differs, (b"needle", b"other")), 0.1, 1, tmp_path)
    assert tally.differentials == ["planted: h11: reads it otherwise"]
    assert tally.crashes == []
    assert (next(tmp_path.iterdir())).read_bytes().count(b"needle")


def test_the_report_has_plain_numbers() -> None:
    tallies = {"a": Tally(3, ["a: x"], []), "guided_a": Tally(4, [], ["a: y", "a: z"])}
    written = run.report(tallies, 1, 2.0)
    assert (written["executions"], written["crashes"], written["differentials"]) == (7, 1, 2)
    assert written["coverage"] == "atheris"
    assert run.report({"a": Tally()}, 1, 2.0)["coverage"] == "none"


def test_both_legs_are_fuzzed() -> None:
    assert {"edge", "edge_peers", "answers", "answer_peers"} <= {
        one.name for one in run.TARGETS if one.guided
    }
