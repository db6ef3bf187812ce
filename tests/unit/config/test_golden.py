"""Bad documents and the exact words they are refused with.

`golden/NAME.yaml` is loaded as `NAME.yaml` with SET=value in the environment; `golden/NAME.txt` is what a
person reads. After a deliberate change run this with DOORWARD_GOLDEN=write, and read the diff.
"""

import os
from pathlib import Path

import pytest

from doorward.config.errors import ConfigError
from doorward.config.load import parse

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("document", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_document_is_refused_with_these_words(document: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(document.read_text(), path=Path(document.name), environ={"SET": "value"}, read=_no_file)
    words = refused.value.render() + "\n"
    expected = document.with_suffix(".txt")
    if os.environ.get("DOORWARD_GOLDEN") == "write":
        expected.write_text(words)
    assert words == expected.read_text()
    assert "literal-secret" not in words


def test_every_expectation_has_its_document() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {path.stem for path in GOLDEN.glob("*.yaml")}


def _no_file(name: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", name)
