"""Where a passphrase comes from."""

import argparse
import getpass
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from doorward.cli.exit import CommandError, Exit
from doorward.cli.passphrase import passphrase


def asked(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Callable[[str], str]:
    said = iter(answers)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(said))
    return lambda _: ""


def given(path: Path | None) -> argparse.Namespace:
    return argparse.Namespace(passphrase_file=None if path is None else str(path))


@pytest.mark.parametrize("content", [b"correct horse\nmore", b"correct horse\r\n", b"correct horse"])
def test_the_first_line_of_a_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "words").write_bytes(content)
    assert passphrase(given(tmp_path / "words"), new=True) == "correct horse"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_files_of_no_use(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "words").write_bytes(content)
    with pytest.raises(CommandError) as caught:
        passphrase(given(tmp_path / "words"), new=False)
    assert caught.value.exit_code == Exit.USAGE


def test_a_new_one_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, "one", "one")
    assert passphrase(given(None), new=True) == "one"
    asked(monkeypatch, "one", "other")
    with pytest.raises(CommandError, match="two passphrases"):
        passphrase(given(None), new=True)
    asked(monkeypatch, "one")
    assert passphrase(given(None), new=False) == "one"


def test_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(CommandError, match="no terminal"):
        passphrase(given(None), new=False)
