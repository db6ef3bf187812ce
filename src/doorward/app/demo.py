"""`doorward demo`: runs the bundled demonstration as a process of its own: it imports nothing of ours."""

import subprocess
import sys
from collections.abc import Sequence


def demo(arguments: Sequence[str]) -> int:
    """Its exit code."""
    return subprocess.run([sys.executable, "-m", "doorward.demo", *arguments], check=False).returncode
