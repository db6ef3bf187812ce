"""What the figures were made on: without its interpreter, build and machine no figure can be compared."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path

# Asked of the gateway's own interpreter. Debian builds with profiles but does not say so in its configure
# arguments, so the build also speaks for itself, by the time for a loop of plain bytecode.
ASK_INTERPRETER = """
import json, platform, sys, sysconfig, time
def loop_ms():
    started, total = time.perf_counter(), 0
    for number in range(1_000_000):
        total += number & 7
    return (time.perf_counter() - started) * 1000
arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
print(json.dumps({
    "interpreter": platform.python_implementation() + " " + platform.python_version(),
    "compiler": platform.python_compiler(),
    "build": "distribution" if sys.base_prefix == "/usr" else "own",
    "pgo_flag": "--enable-optimizations" in arguments,
    "lto_flag": "--with-lto" in arguments,
    "loop_ms": round(min(loop_ms() for _ in range(5)), 1),
}))
"""


def first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def facts(gateway: Path, nginx: str) -> dict[str, object]:
    interpreter = gateway.parent / "python"
    known: dict[str, object] = {"interpreter": "none: no gateway is installed"}
    if interpreter.exists():
        known = json.loads(first_line([str(interpreter), "-c", ASK_INTERPRETER]))
    return {
        **known,
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "nginx": first_line([nginx, "-v"]).rpartition("/")[2],
        "cc": first_line(["cc", "--version"]),
    }


def busy_and_all_ticks() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def idle_share(seconds: float = 0.2) -> float:
    busy, everything = busy_and_all_ticks()
    time.sleep(seconds)
    busy_then, everything_then = busy_and_all_ticks()
    return 1 - (busy_then - busy) / max(1, everything_then - everything)


def wait_until_idle(patience_s: float) -> float:
    """Other work would be measured too: wait a little for it to end. Gives the idle share at the end."""
    deadline = time.monotonic() + patience_s
    while (share := idle_share()) < 0.85 and time.monotonic() < deadline:
        pass
    return share
