"""One target led by coverage: atheris (libFuzzer) instruments ours and h11 and keeps what reaches new code.

libFuzzer owns its process and ends it, so `run` starts this as a child:
`python -m tests.fuzz.guided TARGET SECONDS SEED FOLDER`. Counts go to FOLDER/TARGET.json at least every half
second, whatever becomes of the process.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.engine import MAX_INPUT, Tally, Target, execute

AVAILABLE = importlib.util.find_spec("atheris") is not None
INSTRUMENTED = ["doorward.edge", "doorward.upstream", "doorward.wire", "h11"]
GRACE_S = 30.0
_HANG_S = 10
_MEMORY_MB = 2048
_WRITE_S = 0.5


def fuzz(target: Target, seconds: float, seed: int, folder: Path) -> Tally:
    """As `engine.fuzz`, in a process of its own. A process that ends otherwise than well is a crash."""
    folder.mkdir(parents=True, exist_ok=True)
    counts, log = folder / f"{target.name}.json", folder / f"{target.name}.log"
    counts.unlink(missing_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=f"{target.name}-", dir=folder) as corpus,
        log.open("wb") as output,
    ):
        for number, given in enumerate(target.seeds):
            (Path(corpus) / str(number)).write_bytes(given)
        arguments = [target.name, f"{seconds:.0f}", str(seed), str(folder), corpus]
        command = [sys.executable, "-m", "tests.fuzz.guided", *arguments]
        try:
            code = subprocess.run(
                command, stdout=output, stderr=output, timeout=seconds + GRACE_S, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    tally = Tally(**json.loads(counts.read_text())) if counts.exists() else Tally()
    if code:
        tally.crashes.append(f"{target.name}: the guided process ended with {code}, see {log.name}")
    elif not tally.executions:
        tally.crashes.append(f"{target.name}: the guided process executed nothing, see {log.name}")
    return tally


def counting(target: Target, folder: Path) -> Callable[[bytes], None]:
    """What libFuzzer calls: it never raises, so one fault does not end the run."""
    tally = Tally()
    written = 0.0
    part = folder / f"{target.name}.part"

    def one(data: bytes) -> None:
        nonlocal written
        now = execute(target, data, tally, folder)
        if now - written > _WRITE_S:
            written = now
            part.write_text(json.dumps(asdict(tally)))
            part.replace(folder / f"{target.name}.json")

    return one


def dictionary(words: tuple[bytes, ...]) -> str:
    """In libFuzzer's form."""
    return "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in words)


def main(name: str, seconds: str, seed: str, folder: str, corpus: str) -> None:
    """Does not return: libFuzzer ends the process."""
    import atheris  # installed on Linux x86-64 only, and not before it is wanted

    began = time.monotonic()
    with atheris.instrument_imports(include=INSTRUMENTED):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    (target,) = (one for one in targets if one.name == name)
    words = Path(folder) / f"{name}.words"
    words.write_text(dictionary(tuple(target.words)))
    left = max(1, round(float(seconds) - (time.monotonic() - began)))
    options = [
        f"-max_total_time={left}", f"-seed={seed}", f"-max_len={MAX_INPUT}", f"-timeout={_HANG_S}",
        f"-rss_limit_mb={_MEMORY_MB}", f"-dict={words}", f"-artifact_prefix={folder}/{name}-",
        "-print_final_stats=1", corpus,
    ]  # fmt: skip
    atheris.Setup([name, *options], counting(target, Path(folder)))
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
