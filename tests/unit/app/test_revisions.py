"""Configurations that were in force."""

import stat
from pathlib import Path

from doorward.app.revisions import Revisions
from doorward.config.load import parse

TEXT = """\
version: 1
servers:
  files:
    url: https://files.example/mcp
    auth: {bearer: "hunter2hunter2hunter2"}
agents:
  bot:
    grants: []
"""


def test_a_configuration_is_found_by_its_digest_without_its_secrets(tmp_path: Path) -> None:
    revisions = Revisions(tmp_path / "revisions")
    loaded = parse(TEXT, environ={})
    revisions.keep(loaded)
    revisions.keep(loaded)
    kept = revisions.text(loaded.digest)
    assert kept is not None
    assert "url: https://files.example/mcp" in kept
    assert "hunter2" not in kept
    file = tmp_path / "revisions" / f"{loaded.digest}.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_was_not_kept_is_not_there(tmp_path: Path) -> None:
    revisions = Revisions(tmp_path / "revisions")
    assert revisions.text("0" * 64) is None
    assert revisions.text("../secrets") is None
