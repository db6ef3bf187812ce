"""Official SDKs that sign in, each a program of its own, and who sits at the browser for them."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Timer
from typing import Any

from tests.e2e.support.actors import FASTMCP, SDK1, script
from tests.e2e.support.browser import CALLBACK, Browser

Json = dict[str, Any]

PATIENCE_S = 240.0
"""Seconds for all of a program's life."""


@dataclass(frozen=True)
class Program:
    """A client, and how the issuer comes to know it."""

    name: str
    environment: str
    file: str
    mode: str = ""
    known: str = "registers"
    """`registers` itself (RFC 7591), is `described` at a URL of its own, or is registered `before`."""

    def command(self, target: Json) -> list[str]:
        arguments = [self.mode] if self.mode else []
        return script(self.environment, self.file, *arguments, json.dumps(target))


PROGRAMS = [
    Program("py1", SDK1, "oauth_python1.py"),
    Program("py2-legacy", "", "oauth_python2.py", "legacy", "before"),
    Program("py2-modern", "", "oauth_python2.py", "2026-07-28", "described"),
    Program("fastmcp", FASTMCP, "oauth_fastmcp.py", "auto"),
    Program("ts1", "node", "oauth_v1.mjs"),
    Program("ts2-legacy", "node", "oauth_v2.mjs", "legacy", "before"),
    Program("ts2-modern", "node", "oauth_v2.mjs", "modern", "described"),
]


def tell(program: Program, browser: Browser, target: Mapping[str, Any]) -> list[Json]:
    """Runs it to its end, and signs in for it as often as it asks; the lines that it says.

    `target`: as node/oauth.mjs describes it, but the callback.
    """
    lines: list[Json] = []
    with tempfile.TemporaryFile("w+") as errors:
        running = subprocess.Popen(
            program.command({"callback": CALLBACK, **target}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        late = Timer(PATIENCE_S, running.kill)
        late.start()
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            for text in running.stdout:
                lines.append(json.loads(text))
                if "authorize" in lines[-1]:
                    running.stdin.write(browser.visit(lines[-1]["authorize"]) + "\n")
                    running.stdin.flush()
            code = running.wait()
        finally:
            late.cancel()
            running.kill()
            running.communicate()
        errors.seek(0)
        assert code == 0, f"{program.name} ended with {code} after {lines}:\n{errors.read()[-4000:]}"
    return lines
