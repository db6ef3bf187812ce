"""Exit codes (DESIGN section 10) and the one exception by which a command ends with one."""

from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """What a script may branch on."""

    OK = 0
    BUG = 1
    USAGE = 2
    AUTH = 3
    UNREACHABLE = 4
    UPSTREAM = 5
    FINDINGS = 10
    DENIED = 11
    INTEGRITY = 12
    INTERRUPTED = 130


class CommandError(Exception):
    """The command cannot go on; `message` and `hint` are for the person at the terminal."""

    def __init__(
        self, exit_code: Exit, message: str, hint: str | None = None, *, data: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message
        self.hint = hint
        self.data = data or {}
        """Members that the JSON form has beside code and message."""
