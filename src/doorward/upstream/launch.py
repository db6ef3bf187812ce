"""Starts a command: with an environment, a directory and a mask of its own, and nothing else of ours."""

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from doorward.upstream.settings import ServerSettings
from doorward.upstream.warden import Warden

INHERITED: Final = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
)
"""What a child gets of our environment: as the MCP SDKs have it, and what text and time zones need. The rest
may hold secrets that are none of its business."""


def launch(settings: ServerSettings, warden: Warden | None) -> tuple[subprocess.Popen[bytes], str]:
    """The running child, which leads a session and group of its own, and its mark ("" without a warden).

    Not by `loop.subprocess_exec`: uvloop's hands down descriptors of ours and knows no umask. Takes the time
    of one vfork and exec, about 2 ms. Raises OSError, ValueError.
    """
    assert settings.command is not None
    mark, marked = warden.expect() if warden is not None else ("", {})
    env = {**environment(os.environ), **settings.env, **marked}
    check(settings.command[0], env, settings.cwd)
    prefix = warden.prefix() if warden is not None else ()
    child = subprocess.Popen(
        (*prefix, *settings.command),
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=settings.cwd,
        close_fds=True,
        start_new_session=True,
        umask=-1 if settings.umask is None else settings.umask,
    )
    if warden is not None:
        warden.started(mark, child.pid)
    return child, mark


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The allow-listed part. A shell function is left out: some shells run what stands behind it."""
    return {name: ours[name] for name in INHERITED if name in ours and not ours[name].startswith("()")}


def check(program: str, env: Mapping[str, str], cwd: str | None) -> None:
    """Whether it can be run at all: behind the words of a prefix only its exit status would say so.

    Raises OSError.
    """
    folder = Path(cwd or ".")
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no directory {cwd}")
    path = folder / program if "/" in program else None
    found = shutil.which(program, path=env.get("PATH", os.defpath)) if path is None else shutil.which(path)
    if found is None:
        number = errno.EACCES if path is not None and path.exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), program)
