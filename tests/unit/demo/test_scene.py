import asyncio
from pathlib import Path

import pytest

from doorward.demo.scene import CONFIG, folder, rule_lines
from doorward.demo.script import ACTS


def test_every_rule_that_a_step_names_has_a_line() -> None:
    lines = rule_lines(CONFIG)

    assert {step.rule for act in ACTS for step in act.steps if step.rule} == set(lines)
    source = CONFIG.splitlines()
    assert "at_most: 5" in source[lines["limit"] - 1]
    assert all("delete_*" in source[lines[f"{agent} never deletes"] - 1] for agent in ("analyst", "clerk"))


@pytest.mark.parametrize("keep", [True, False])
def test_the_folder_goes_also_on_failure(keep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def fail() -> None:
        async with folder(keep=keep) as place:
            (place / "file").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())
    assert len(list(tmp_path.iterdir())) == keep
