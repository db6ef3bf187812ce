"""Whoever reads why the log cannot be written also reads what helps."""

import errno
import os
from pathlib import Path

import pytest

from doorward.backends.files.trouble import unavailable
from doorward.model.reasons import Reason


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "chown"), (errno.EPERM, "chown"), (errno.EROFS, "mount it for writing"),
        (errno.ENOSPC, "make room on that disk"), (errno.EDQUOT, "quota"), (errno.ENOTDIR, "move it aside"),
        (errno.EEXIST, "move it aside"), (errno.EISDIR, "a directory stands where"), (errno.ELOOP, "a link"),
        (errno.EIO, "kernel's log"), (errno.ENOENT, "has gone"), (errno.EMFILE, "ulimit"),
        (errno.ENFILE, "on this machine"),
    ],
)  # fmt: skip
def test_what_is_known_has_advice(number: int, advice: str) -> None:
    error = unavailable(Path("/var/lib/doorward/audit"), OSError(number, os.strerror(number)))
    assert error.reason is Reason.AUDIT_UNAVAILABLE
    start, _, rest = error.message.partition("; ")
    assert start == f"/var/lib/doorward/audit cannot be written: {os.strerror(number)}"
    assert advice in rest


@pytest.mark.parametrize("error", [OSError(errno.EXDEV, "Invalid cross-device link"), OSError("odd")])
def test_what_is_not_known_is_said_as_it_is(error: OSError) -> None:
    assert unavailable(Path("a"), error).message == f"a cannot be written: {error.strerror}"
