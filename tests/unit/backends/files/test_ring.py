import base64
import json
import math
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from doorward.backends.files.ring import FileRing
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.secrets import VersionEnded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "secrets.json"


def with_key(text: bytes) -> bytes:
    stored = b'{"version": 1, "created": "", "key": "' + text + b'"}'
    return b'{"format": "doorward-secrets/1", "keys": {"pepper": [' + stored + b"]}}"


def refused(path: Path) -> str:
    with pytest.raises(GatewayError) as caught:
        FileRing(path)
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    return caught.value.message


def test_a_key_is_made_once_and_kept(path: Path) -> None:
    ring = FileRing(path)
    version, key = ring.current("pepper")
    assert version == 1
    assert len(key) == 32
    assert ring.current("pepper") == (version, key)
    assert ring.version("pepper", 1) == key
    assert FileRing(path).current("pepper") == (version, key)


def test_each_purpose_has_its_own_key(path: Path) -> None:
    ring = FileRing(path)
    assert ring.current("pepper")[1] != ring.current("digest:default:2026q4")[1]


def test_nothing_is_written_before_a_key_is_needed(path: Path) -> None:
    FileRing(path)
    assert not path.parent.exists()


def test_the_file_is_private_under_a_lax_umask(path: Path) -> None:
    lax = os.umask(0)
    try:
        FileRing(path).current("pepper")
    finally:
        os.umask(lax)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["secrets.json"]


def test_says_when_a_key_was_made(path: Path) -> None:
    FileRing(path, clock=lambda: 0.0).current("pepper")
    assert json.loads(path.read_bytes())["keys"]["pepper"][0]["created"] == "1970-01-01T00:00:00+00:00"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_refuses_a_ring_that_others_can_read_and_says_what_to_do(path: Path, mode: int) -> None:
    FileRing(path).current("pepper")
    path.chmod(mode)
    message = refused(path)
    assert f"chmod 600 {path}" in message
    assert f"{mode:04o}" in message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_refuses_a_ring_of_another_user(path: Path) -> None:
    FileRing(path).current("pepper")
    os.chown(path, 12345, -1)
    assert "chown" in refused(path)


def test_finds_what_another_process_made_meanwhile(path: Path) -> None:
    one, other = FileRing(path), FileRing(path)
    made = one.current("pepper")
    assert other.version("pepper", 1) == made[1]
    digest = other.current("digest:default:2026q4")
    assert one.current("digest:default:2026q4") == digest
    assert FileRing(path).current("pepper") == made


def current_in_another_process(path: Path, results: "multiprocessing.Queue[bytes]") -> None:
    results.put(FileRing(path).current("pepper")[1])


def test_processes_that_start_together_agree(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    others = [spawn.Process(target=current_in_another_process, args=(path, results)) for _ in range(3)]
    for other in others:
        other.start()
    made = {results.get(timeout=60) for _ in others}
    for other in others:
        other.join(60)
    results.close()
    assert made == {FileRing(path).current("pepper")[1]}


def test_a_newer_version_becomes_current_and_the_old_one_stays(path: Path) -> None:
    first = FileRing(path).current("pepper")[1]
    document = json.loads(path.read_bytes())
    document["keys"]["pepper"].append({"version": 2, "created": "", "key": "QUFB" * 10 + "QUE="})
    path.write_text(json.dumps(document))
    ring = FileRing(path)
    assert ring.current("pepper") == (2, b"A" * 32)
    assert ring.version("pepper", 1) == first


def test_a_version_that_is_not_there_is_unavailable(path: Path) -> None:
    ring = FileRing(path)
    ring.current("pepper")
    with pytest.raises(GatewayError, match="version 2 of 'pepper'"):
        ring.version("pepper", 2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        with_key(b"%%"),
        with_key(b"QUFB"),
        with_key(b"\xc3\xa9"),
        b'{"format": "doorward-secrets/2", "keys": {}}',
        b'{"format": "doorward-secrets/1", "keys": {}, "more": 1}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_ring_is_refused_untouched(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.touch(mode=0o600)
    path.write_bytes(content)
    assert str(path) in refused(path)
    assert path.read_bytes() == content


def test_a_crashed_writers_temporary_file_is_no_obstacle(path: Path) -> None:
    path.parent.mkdir()
    (path.parent / ".secrets.json.new").write_bytes(b"half")
    made = FileRing(path).current("pepper")
    assert FileRing(path).current("pepper") == made


def test_a_place_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(GatewayError) as caught:
        FileRing(tmp_path / "state" / "secrets.json").current("pepper")
    assert caught.value.reason is Reason.STORE_UNAVAILABLE


def test_rotation_makes_a_new_version_and_keeps_the_old(path: Path) -> None:
    ring = FileRing(path, clock=lambda: 1_790_000_000.0)
    _, old = ring.current("checkpoints")
    number, new = ring.rotate("checkpoints")
    assert number == 2
    assert len(new) == 32
    assert ring.current("checkpoints") == (2, new)
    assert (ring.version("checkpoints", 1), ring.version("checkpoints", 2)) == (old, new)
    assert FileRing(path).current("checkpoints") == (2, new)
    assert ring.versions("checkpoints") == (
        (1, "2026-09-21T14:13:20+00:00", math.inf),
        (2, "2026-09-21T14:13:20+00:00", math.inf),
    )


def test_what_was_never_used_can_be_rotated(path: Path) -> None:
    ring = FileRing(path)
    assert ring.purposes() == ()
    assert ring.versions("checkpoints") == ()
    assert ring.rotate("checkpoints")[0] == 1


def test_another_process_goes_on_with_the_newest(path: Path) -> None:
    ring, other = FileRing(path), FileRing(path)
    ring.current("checkpoints")
    number, key = other.rotate("checkpoints")
    assert ring.current("checkpoints") == (number, key)
    assert [version.number for version in ring.versions("checkpoints")] == [1, number]
    assert ring.version("checkpoints", number) == key
    other.current("pepper")
    assert ring.purposes() == ("checkpoints", "pepper")


def test_two_rings_rotate_one_after_the_other(path: Path) -> None:
    one, other = FileRing(path), FileRing(path)
    assert [one.rotate("checkpoints")[0], other.rotate("checkpoints")[0], one.rotate("checkpoints")[0]] == [
        1,
        2,
        3,
    ]


def test_the_new_key_is_announced_after_it_is_kept_and_before_anybody_else_rotates(path: Path) -> None:
    ring = FileRing(path)
    told: list[tuple[bytes, bytes]] = []
    ring.rotate("checkpoints", lambda key: told.append((key, FileRing(path).current("checkpoints")[1])))
    assert told == [(ring.current("checkpoints")[1],) * 2]

    def fails(_: bytes) -> None:
        raise GatewayError(Reason.STORE_UNAVAILABLE, "no")

    with pytest.raises(GatewayError, match="no"):
        ring.rotate("checkpoints", fails)
    assert FileRing(path).rotate("checkpoints")[0] == 3


def test_a_ring_that_cannot_be_written_is_not_rotated(path: Path) -> None:
    ring = FileRing(path)
    before = ring.current("checkpoints")
    path.with_name(f".{path.name}.new").mkdir()
    with pytest.raises(GatewayError) as caught:
        ring.rotate("checkpoints")
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    assert FileRing(path).current("checkpoints") == before


# --- versions that end, and rings that are kept elsewhere


def test_a_version_that_has_ended_is_refused_and_gone_with_the_next_change(path: Path) -> None:
    now = 1_790_000_000.0
    ring = FileRing(path, clock=lambda: now)
    _, old = ring.current("pepper")
    ring.rotate("pepper")
    ring.end("pepper", [1, 2], now + 10)  # the newest never ends
    assert [version.ends for version in ring.versions("pepper")] == [now + 10, math.inf]
    assert ring.version("pepper", 1) == old
    ring.end("pepper", [1], now + 99)  # not later than was said
    now += 10
    for each in (ring, FileRing(path, clock=lambda: now)):
        with pytest.raises(VersionEnded, match="was ended"):
            each.version("pepper", 1)
    assert base64.b64encode(old) in path.read_bytes()
    ring.rotate("vault")
    assert base64.b64encode(old) not in path.read_bytes()
    with pytest.raises(VersionEnded):
        ring.version("pepper", 1)
    with pytest.raises(GatewayError) as caught:
        ring.version("pepper", 3)
    assert not isinstance(caught.value, VersionEnded)


def test_another_process_learns_of_an_end(path: Path) -> None:
    ring, other = FileRing(path), FileRing(path)
    ring.current("pepper")
    other.rotate("pepper")
    assert ring.version("pepper", 1)
    other.end("pepper", [1], 0.0)
    with pytest.raises(VersionEnded):
        ring.version("pepper", 1)


def test_what_is_needed_is_made_at_once_and_once(path: Path) -> None:
    ring = FileRing(path)
    ring.ensure(["vault", "tokens"])
    written = path.read_bytes()
    ring.ensure(["tokens", "vault"])
    FileRing(path).ensure(["vault"])
    assert path.read_bytes() == written
    assert ring.purposes() == ("tokens", "vault")


def test_a_copy_is_as_good_as_the_ring_and_replaces_none(path: Path) -> None:
    ring = FileRing(path)
    kept = [ring.current("pepper"), ring.rotate("pepper")]
    document, elsewhere = ring.document(), path.with_name("elsewhere") / "secrets.json"
    restored = FileRing.restore(elsewhere, document)
    assert [(number, restored.version("pepper", number)) for number in (1, 2)] == kept
    assert FileRing(elsewhere).current("pepper") == kept[1]
    assert elsewhere.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        FileRing.restore(elsewhere, document)
    for bad in (b"{}", b"no JSON", document[:-20]):
        with pytest.raises(GatewayError):
            FileRing.restore(path.with_name("third"), bad)
    assert not path.with_name("third").exists()
