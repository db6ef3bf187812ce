import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from doorward.backends.files.lock import Holder, StateLock, holder
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

SERVE = Holder(os.getpid(), "serve", "2026-01-01T00:00:00+00:00")
HOLD = """
import sys, time
from pathlib import Path
from doorward.backends.files.lock import Holder, StateLock
StateLock(Path(sys.argv[1]), Holder(4711, "serve", "", ("127.0.0.1:7420",)))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "lock"


def test_nobody_holds_what_is_not_there(path: Path) -> None:
    assert holder(path) is None
    assert not path.exists()


def test_the_holder_is_known_with_its_addresses(path: Path) -> None:
    with StateLock(path, SERVE) as lock:
        assert holder(path) == SERVE
        lock.announce(("127.0.0.1:7420", "127.0.0.1:7421"))
        found = holder(path)
        assert found is not None
        assert found.listen == ("127.0.0.1:7420", "127.0.0.1:7421")
        lock.announce(())
        assert holder(path) == SERVE
    assert holder(path) is None


def test_a_second_one_is_refused_and_told_by_whom(path: Path) -> None:
    with StateLock(path, SERVE) as lock:
        lock.announce(("127.0.0.1:7420",))
        with pytest.raises(GatewayError) as caught:
            StateLock(path, SERVE)
        assert caught.value.reason is Reason.STORE_UNAVAILABLE
        said = f"process {os.getpid()} (doorward serve, listening on 127.0.0.1:7420)"
        assert said in caught.value.message
        assert holder(path) is not None


def test_release_twice_and_take_again(path: Path) -> None:
    lock = StateLock(path, SERVE)
    lock.release()
    lock.release()
    StateLock(path, SERVE).release()
    assert holder(path) is None


def test_a_killed_holder_holds_nothing(path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    found = holder(path)
    assert found is not None
    assert found.pid == 4711
    with pytest.raises(GatewayError, match="4711"):
        StateLock(path, SERVE)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert holder(path) is None
    StateLock(path, SERVE).release()


def test_a_holder_that_has_not_written_its_name_is_still_one(path: Path) -> None:
    with StateLock(path, SERVE):
        path.write_bytes(b"")
        assert holder(path) == Holder(0, "", "")
        with pytest.raises(GatewayError, match="in use by another process"):
            StateLock(path, SERVE)


def test_a_place_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(GatewayError) as caught:
        StateLock(tmp_path / "lock", SERVE)
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
