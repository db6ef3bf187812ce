"""Figures that tests show, in `build/<name>.json`: each test adds its own members."""

import fcntl
import json
from pathlib import Path

BUILD = Path(__file__).parents[1] / "build"


def show(name: str, **figures: object) -> None:
    """Several test processes may do so at once."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{name}.json").open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or "{}")
        file.seek(0)
        file.truncate()
        file.write(json.dumps({**known, **figures}, indent=1, sort_keys=True) + "\n")
