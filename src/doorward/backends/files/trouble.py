"""What is wrong with a directory, in words that say what to do."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason

_OWNER: Final = "give it to the user that Doorward runs as (chown, chmod 700), or name another gateway.state"
_HELP: Final[Mapping[int, str]] = {
    errno.EACCES: _OWNER,
    errno.EPERM: _OWNER,
    errno.EROFS: "mount it for writing, or name another gateway.state",
    errno.ENOSPC: "make room on that disk, or move the state directory to a larger one",
    errno.EDQUOT: "make room within the quota, or move the state directory elsewhere",
    errno.ENOTDIR: "something else has that name: move it aside, or name another gateway.state",
    errno.EEXIST: "something else has that name: move it aside, or name another gateway.state",
    errno.EISDIR: "a directory stands where a file belongs: move it aside",
    errno.ELOOP: "a link stands where a file belongs: put the file itself there",
    errno.EIO: "the disk does not keep what is written: look at the kernel's log before anything else",
    errno.ENOENT: "the directory has gone while it was in use: restart once it is back",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
}


def unavailable(directory: Path, error: OSError) -> GatewayError:
    """The log cannot be written, why, and what helps."""
    text = f"{directory} cannot be written: {error.strerror}"
    advice = _HELP.get(error.errno or 0)
    return GatewayError(Reason.AUDIT_UNAVAILABLE, f"{text}; {advice}" if advice else text)
