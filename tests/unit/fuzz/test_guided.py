import json
from pathlib import Path

import pytest

from tests.fuzz import guided
from tests.fuzz.engine import Differential, Target
from tests.fuzz.run import chosen

NEEDS_ATHERIS = pytest.mark.skipif(
    not guided.AVAILABLE, reason="atheris has a wheel for Linux on x86-64 only"
)


def target(name: str = "planted") -> Target:
    def check(data: bytes) -> None:
        if data == b"crash":
            raise KeyError("broken")
        if data == b"differ":
            raise Differential("otherwise")

    return Target(name, check, (b"a",))


def test_counts_survive_the_process_and_a_fault_does_not_end_it(tmp_path: Path) -> None:
    one = guided.counting(target(), tmp_path)
    one(b"crash")
    kept = json.loads((tmp_path / "planted.json").read_text())
    assert kept["executions"] == 1
    assert len(kept["crashes"]) == 1
    one(b"differ")
    one(b"fine")
    assert len(list(tmp_path.glob("planted-*.bin"))) == 2


def test_words_are_written_as_libfuzzer_reads_them() -> None:
    assert guided.dictionary((b'a"\r\n', b"\xff\\")) == '"\\x61\\x22\\x0d\\x0a"\n"\\xff\\x5c"\n'


@NEEDS_ATHERIS
def test_coverage_leads_a_target(tmp_path: Path) -> None:
    (edge,) = chosen("edge")
    tally = guided.fuzz(edge, 4, 1, tmp_path)
    assert tally.executions > len(edge.seeds)
    assert tally.crashes == tally.differentials == []
    assert "cov: " in (tmp_path / "edge.log").read_text()


def test_a_process_that_ends_badly_is_a_crash(tmp_path: Path) -> None:
    tally = guided.fuzz(target("no-such-target"), 1, 1, tmp_path)
    assert tally.executions == 0
    assert "ended with 1" in tally.crashes[0]
