"""What the log does to the disk while it runs: a seam, so that tests can let each call fail."""

import errno
import os
from typing import Final, Protocol

_ZEROS: Final = bytes(64 * 1024)
_NOT_HERE: Final = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Disk(Protocol):
    """Each verb may block, and raises OSError."""

    def write(self, fd: int, data: bytes, offset: int) -> int:
        """How many bytes were taken."""
        ...

    def truncate(self, fd: int, size: int) -> None: ...

    def allocate(self, fd: int, offset: int, size: int) -> None:
        """Make room of `size` zeros at `offset`, so that no write into it can fail for want of space."""
        ...

    def sync(self, fd: int) -> None: ...


class OsDisk:
    """The real one."""

    def write(self, fd: int, data: bytes, offset: int) -> int:
        """See Disk."""
        return os.pwrite(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        """See Disk."""
        os.ftruncate(fd, size)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        """See Disk."""
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(fd, offset, size)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
            else:
                return
        for at in range(offset, offset + size, len(_ZEROS)):
            zeros = _ZEROS[: offset + size - at]
            if os.pwrite(fd, zeros, at) != len(zeros):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self, fd: int) -> None:
        """See Disk."""
        # macOS has no fdatasync.
        getattr(os, "fdatasync", os.fsync)(fd)
