"""Sees to it that child processes do not outlive us, whatever becomes of us.

Two means, because neither is enough by itself. A parent-death signal (Linux, by `setpriv`) ends the child
itself when our process is killed, also when everything that is called like us is killed with it; it does
not reach the child's own children. The warden, a process of its own that holds the other end of a pipe, ends
whole groups and what left them; it works wherever there are process groups.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from doorward.upstream.warden_main import VARIABLE

SCRIPT: Final = Path(__file__).with_name("warden_main.py")
_END_S: Final = 2.0


class Warden:
    """One for all children of this process. Used in one thread; nothing is started before the first child.

    The parent-death signal belongs to the thread that starts the child: it must be one that lives as long as
    we do, which the event loop's is.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: dict[str, int] = {}
        self._prefix: tuple[str, ...] | None = None

    @property
    def pid(self) -> int | None:
        """Of the warden's process while it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process is not None else None

    async def ready(self) -> None:
        """Before the first child is started: find out what this system can do, which takes a process."""
        if self._prefix is None:
            self._prefix = await asyncio.to_thread(_death_signal)

    def prefix(self) -> tuple[str, ...]:
        """Words before a command that give it a parent-death signal; none where there is no such thing."""
        if self._prefix is None:
            self._prefix = _death_signal()
        return self._prefix

    def expect(self) -> tuple[str, dict[str, str]]:
        """The mark of a child that is about to be started, and what of its environment shows it.

        The warden runs when this returns. Raises OSError when it cannot be started.
        """
        if self.pid is None:
            self._start()
        mark = secrets.token_hex(16)
        return mark, {VARIABLE: mark}

    def started(self, mark: str, group: int) -> None:
        """From now on this group ends with us."""
        self._groups[mark] = group
        self._say(f"+{group} {mark}\n")

    def ended(self, mark: str) -> None:
        """The group is gone; what had left it ends now."""
        group = self._groups.pop(mark, None)
        if group is not None:
            self._say(f"-{group} {mark}\n")

    async def close(self) -> None:
        """Ends the warden, and by it every child that is left."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.to_thread(process.wait, _END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        """Again, when somebody killed it: the new one is told all that the old one knew."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = process = subprocess.Popen(
            (sys.executable, "-I", "-S", str(SCRIPT)),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            for mark, group in self._groups.items():
                process.stdin.write(f"+{group} {mark}\n".encode())
        os.set_blocking(process.stdin.fileno(), False)

    def _say(self, line: str) -> None:
        """To one that died or stands still, nothing: `expect` starts another, which is told everything."""
        if self._process is None or self._process.stdin is None:
            return
        try:
            taken = self._process.stdin.write(line.encode())
        except OSError:
            taken = None
        if taken is None:  # nor may it keep us waiting
            self._process.kill()


def _death_signal() -> tuple[str, ...]:
    """`setpriv` of util-linux; older ones and other makes do not know the option, so it is tried out."""
    found = shutil.which("setpriv", path="/usr/bin:/bin") if sys.platform == "linux" else None
    if found is None:
        return ()
    words = (found, "--pdeathsig", "KILL", "--")
    try:
        tried = subprocess.run((*words, found, "--version"), check=False, capture_output=True, timeout=_END_S)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return words if tried.returncode == 0 else ()
