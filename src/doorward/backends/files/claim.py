"""One writer for a directory."""

import fcntl
import os
from pathlib import Path

from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason


def claim(directory: Path) -> int:
    """Whoever closes the descriptor gives it up, and so does the end of the process.

    Raises OSError, and GatewayError(AUDIT_UNAVAILABLE) when somebody else has it.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        message = f"{directory} is being written by another process"
        raise GatewayError(Reason.AUDIT_UNAVAILABLE, message) from error
    return fd
