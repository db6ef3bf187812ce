"""`doorward demo`: becomes the bundled demonstration, which imports nothing of ours."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def demo(arguments: Sequence[str]) -> NoReturn:
    """Replaces this process, so that Ctrl-C and SIGTERM reach the one that has to clean up."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "doorward.demo", *arguments])  # noqa: S606 - no shell wanted
