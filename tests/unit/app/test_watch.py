"""A change of any watched file is noticed once, whatever the change is."""

import os
from pathlib import Path

import pytest

from doorward.app.watch import FileWatch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "doorward.yaml"
    path.write_text("version: 1\n")
    return path


def test_nothing_changed(file: Path) -> None:
    watch = FileWatch((file,))

    assert not watch.changed()
    assert not watch.changed()


def test_a_change_is_noticed_once(file: Path) -> None:
    watch = FileWatch((file,))

    file.write_text("version: 1 \n")

    assert watch.changed()
    assert not watch.changed()


def test_a_replaced_file_of_the_same_size_and_time_is_a_change(file: Path) -> None:
    watch = FileWatch((file,))
    stat = file.stat()

    other = file.with_name("other")
    other.write_text("version: 2\n")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)

    assert watch.changed()


def test_a_file_that_goes_and_comes_back(file: Path) -> None:
    watch = FileWatch((file, file.with_name("never-there")))

    file.unlink()
    assert watch.changed()
    assert not watch.changed()
    file.write_text("version: 1\n")
    assert watch.changed()


def test_following_other_files_is_no_change_by_itself(file: Path) -> None:
    watch = FileWatch((file,))
    secret = file.with_name("secret")

    watch.follow((file, secret))
    assert not watch.changed()
    secret.write_text("x")
    assert watch.changed()


def test_following_the_same_files_forgets_nothing(file: Path) -> None:
    watch = FileWatch((file,))
    file.write_text("changed\n")

    watch.follow((file,))

    assert watch.changed()
