"""The manifest and the tests agree, in both directions; and the check would see it if they did not."""

from pathlib import Path

import pytest

from tests.spec.manifest import PROTOCOL, REVISIONS, TESTS, Proofs, faults, proofs, requirements
from tests.spec.page import PAGE, page

pytestmark = pytest.mark.spec("DW-900")
ROW = 'text = "t"\nlevel = "must"\nsource = "s"\nrevisions = "all"\n'
TOML = f'title = "T"\n[requirements.DW-001]\n{ROW}'


def test_every_requirement_has_a_test_and_every_protocol_test_a_requirement() -> None:
    assert list(faults(requirements(), proofs())) == []


def test_it_is_as_long_as_the_protocol() -> None:
    rows = requirements()
    assert len(rows) >= 200
    for revision in REVISIONS:
        assert sum(revision in row.revisions for row in rows.values()) >= 100
    assert all(20 < len(row.text) < 500 for row in rows.values())


def test_the_page_is_the_one_that_the_rows_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(requirements()), "run: python -m tests.spec.page"


def test_each_folder_of_protocol_tests_is_there() -> None:
    assert [pattern for pattern in PROTOCOL if not list(TESTS.glob(pattern))] == []


def planted(tmp_path: Path, toml: str, test: str) -> list[str]:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.toml").write_text(toml)
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "test_a.py").write_text(test)
    return list(faults(requirements(tmp_path / "rows"), proofs(tmp_path, ("spec/test_*.py",))))


@pytest.mark.parametrize(
    "test",
    [
        'import pytest\n@pytest.mark.spec("DW-001")\ndef test_a(): ...',
        'import pytest\npytestmark = [pytest.mark.spec("DW-001")]\nasync def test_a(): ...',
        'import pytest\n@pytest.mark.parametrize("a", [pytest.mark.spec("DW-001")])\ndef test_a(a): ...',
        'import pytest\nSHOWN = pytest.mark.spec("DW-001")\n@SHOWN\ndef test_a(): ...',
    ],
)
def test_a_mark_is_found_wherever_it_may_stand(tmp_path: Path, test: str) -> None:
    assert planted(tmp_path, TOML, test) == []


@pytest.mark.parametrize(
    ("toml", "test", "fault"),
    [
        (TOML, "", "DW-001 is shown by no test: t"),
        (TOML, '# pytest.mark.spec("DW-001")', "DW-001 is shown by no test: t"),
        (TOML, "def test_a(): ...", "spec/test_a.py::test_a is a protocol test and names no requirement"),
        (
            TOML,
            'import pytest\n@pytest.mark.spec("DW-002")\ndef test_a(): ...',
            "DW-002 is no requirement, though spec/test_a.py::test_a shows it",
        ),
    ],
)
def test_what_is_missing_is_seen(tmp_path: Path, toml: str, test: str, fault: str) -> None:
    assert fault in planted(tmp_path, toml, test)


@pytest.mark.parametrize(
    ("toml", "word"),
    [
        (TOML.replace('text = "t"\n', ""), "no text"),
        (TOML.replace('"must"', '"often"'), "often"),
        (TOML.replace('"all"', '"2025-01-01"'), "2025-01-01"),
        (TOML.replace("DW-001", "DW-1"), "no id"),
        (TOML + 'why = "x"\n', "why"),
    ],
)
def test_a_row_that_is_none_is_named(tmp_path: Path, toml: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        planted(tmp_path, toml, "")


def test_a_mark_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="literal"):
        planted(tmp_path, TOML, "import pytest\n@pytest.mark.spec(NAME)\ndef test_a(): ...")


def test_two_files_cannot_say_the_same_thing(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "b.toml").write_text(TOML)
    with pytest.raises(ValueError, match="DW-001"):
        requirements(tmp_path)


def test_nothing_is_nothing() -> None:
    assert list(faults({}, Proofs())) == []
