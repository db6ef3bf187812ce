"""A log that must not lose anything."""

import threading
from pathlib import Path

import pytest

from doorward.backends.files.hold import HOLD, Held, Hold
from doorward.model.errors import GatewayError

HELD = Held(1_795_000_000_000, "me", "case 7")


def test_a_hold_is_placed_read_and_lifted(tmp_path: Path) -> None:
    hold = Hold(tmp_path / "audit")
    assert hold.read() is None
    assert not hold.placed
    hold.place(HELD)
    assert hold.read() == HELD
    assert hold.placed
    assert (tmp_path / "audit" / HOLD).stat().st_mode & 0o777 == 0o600
    hold.lift()
    hold.lift()
    assert hold.read() is None
    assert not hold.placed


@pytest.mark.parametrize("content", [b"", b"{}", b"no", b"\xff", b"[]"])
def test_a_damaged_hold_holds(tmp_path: Path, content: bytes) -> None:
    (tmp_path / HOLD).write_bytes(content)
    hold = Hold(tmp_path)
    assert hold.placed
    with pytest.raises(GatewayError, match="hold is damaged"):
        hold.read()


def test_a_link_to_nothing_holds(tmp_path: Path) -> None:
    (tmp_path / HOLD).symlink_to(tmp_path / "nothing")
    assert Hold(tmp_path).placed


def test_placing_waits_for_a_removal_that_has_begun(tmp_path: Path) -> None:
    hold = Hold(tmp_path)
    placing = threading.Thread(target=hold.place, args=(HELD,))
    with hold.locked():
        placing.start()
        placing.join(0.05)
        assert placing.is_alive()
        assert not hold.placed
    placing.join(20)
    assert hold.placed
