from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.demo.servers.folder import MAX_BYTES, Folder, Refused


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    (made / "notes").mkdir(parents=True)
    (made / "notes" / "monday.txt").write_text("tea\n")
    (tmp_path / "secret.txt").write_text("outside")
    return made


def test_list_names_what_read_reads(root: Path) -> None:
    folder = Folder(root)

    assert [(file.path, file.size) for file in folder.list()] == [("notes/monday.txt", 4)]
    assert folder.read("notes/monday.txt") == "tea\n"


def test_write_makes_folders_and_counts_bytes(root: Path) -> None:
    folder = Folder(root)

    assert folder.write("a/b/c.txt", "grün").size == 5
    assert folder.read("a/b/c.txt") == "grün"


@pytest.mark.parametrize("path", ["../secret.txt", "notes/../../secret.txt", "/etc/hostname", "x\0y"])
def test_outside_is_refused(root: Path, path: str) -> None:
    folder = Folder(root)

    with pytest.raises(Refused):
        folder.read(path)
    with pytest.raises(Refused):
        folder.write(path, "x")


def test_links_to_the_outside_are_refused_and_not_listed(root: Path) -> None:
    (root / "link.txt").symlink_to(root.parent / "secret.txt")
    (root / "up").symlink_to(root.parent)
    folder = Folder(root)

    for path in ("link.txt", "up/secret.txt"):
        with pytest.raises(Refused, match="outside"):
            folder.read(path)
        with pytest.raises(Refused, match="outside"):
            folder.write(path, "x")
    assert [file.path for file in folder.list()] == ["notes/monday.txt"]


@pytest.mark.parametrize("path", ["", ".", "notes", "notes/monday.txt/below"])
def test_write_refuses_what_is_no_file_name(root: Path, path: str) -> None:
    with pytest.raises(Refused):
        Folder(root).write(path, "x")


def test_read_refuses_what_is_missing_large_or_binary(root: Path) -> None:
    (root / "large.txt").write_bytes(b"x" * (MAX_BYTES + 1))
    (root / "image.png").write_bytes(b"\x89PNG\xff")
    folder = Folder(root)

    with pytest.raises(Refused, match="no file"):
        folder.read("notes/tuesday.txt")
    with pytest.raises(Refused, match="larger"):
        folder.read("large.txt")
    with pytest.raises(Refused, match="not a text file"):
        folder.read("image.png")
    with pytest.raises(Refused, match="larger"):
        folder.write("new.txt", "x" * (MAX_BYTES + 1))


_PARTS = st.lists(st.sampled_from(["..", ".", "", "notes", "monday.txt", "new", "~", "%2e%2e"]), max_size=6)


@given(_PARTS, st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_outside_ever_changes(root: Path, parts: list[str], absolute: bool) -> None:
    path = ("/" if absolute else "") + "/".join(parts)
    try:
        Folder(root).write(path, "x")
    except Refused:
        pass

    outside = [entry for entry in root.parent.rglob("*") if not entry.is_relative_to(root)]
    assert outside == [root.parent / "secret.txt"]
    assert (root.parent / "secret.txt").read_text() == "outside"
