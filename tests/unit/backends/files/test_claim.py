"""A directory has one writer."""

import os
from pathlib import Path

import pytest

from doorward.backends.files.claim import claim
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason


def descriptors() -> set[str]:
    """Those of this process that are open; empty where nobody says."""
    place = Path("/proc/self/fd")
    return {each.name for each in place.iterdir()} if place.exists() else set()


def test_a_directory_is_claimed_once_until_it_is_given_up(tmp_path: Path) -> None:
    ours = claim(tmp_path)
    before = descriptors()
    with pytest.raises(GatewayError, match="another process") as caught:
        claim(tmp_path)
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    assert descriptors() == before  # whoever was refused keeps nothing open
    os.close(ours)
    os.close(claim(tmp_path))


def test_what_is_no_directory_cannot_be_claimed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        claim(tmp_path / "file")
