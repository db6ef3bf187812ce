"""`make conformance`: the suite against the fixture directly and through Doorward, compared.

Writes build/conformance.json and prints a table. Exits 1 on a difference that `differences.toml` does not
list, on a listed one that is none any more, and when the fixture itself does not pass a required set.
"""

import json
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.conformance import compare, suite, table, world
from tests.conformance.suite import Results

OUT: Final = suite.ROOT / "build/conformance"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
OLD, NEW = "old", "new"
"""The servers of the two eras."""
OLDER: Final = ("2025-03-26", "2025-06-18")
BOTH_AT_ONCE: Final = 2
CLIENT: Final = {
    LEGACY: (
        "initialize",
        "tools_call",
        "elicitation-sep1034-client-defaults",
        "sse-retry",
        "json-schema-2020-12-preservation",
    ),
    MODERN: (
        "tools_call",
        "request-metadata",
        "sep-2322-client-request-state",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
    ),
}
"""Those about MCP. The OAuth scenarios are about clients that log in, which Doorward does not do upstream."""


def main() -> int:
    started = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    jobs: tuple[Callable[[], dict[str, Results]], ...] = (through, clients, direct, dual)
    with ThreadPoolExecutor(BOTH_AT_ONCE) as pool:
        parts = [pool.submit(job) for job in jobs]
        try:
            runs = {name: results for part in parts for name, results in part.result().items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    report = compared(runs)
    report["seconds"] = round(time.monotonic() - started, 1)
    target = suite.ROOT / "build/conformance.json"
    target.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    shown = {name: run for name, run in report.items() if isinstance(run, dict)}
    print(*table.lines(shown, report["wrong"]), sep="\n")
    print(f"{report['seconds']} s; build/conformance.json; what the suite said: build/conformance/")
    return 1 if report["wrong"] else 0


def sets(url: str, name: str, *revisions: str) -> dict[str, Results]:
    """Everything of a revision that is run against servers, its required set and what is not scored."""
    return {
        f"{name}_{tag(revision)}": suite.server(url, OUT / f"{name}_{tag(revision)}", *which(revision))
        for revision in revisions
    }


def which(revision: str) -> tuple[str, ...]:
    if revision in OLDER:
        return "--suite", "all", "--spec-version", revision
    return "--requirements", revision


def tag(revision: str) -> str:
    return revision.replace("-", "_")


def direct() -> dict[str, Results]:
    folder = OUT / "direct"
    folder.mkdir()
    with world.fixture(folder, "legacy", OLD) as old, world.fixture(folder, "modern", NEW) as new:
        return sets(old, "direct", LEGACY, *OLDER) | sets(new, "direct", MODERN)


def through() -> dict[str, Results]:
    """A server of each era behind one gateway: for clients of its era, of the other one, and at `/mcp`."""
    folder = OUT / "through"
    with world.several(folder, {OLD: "legacy", NEW: "modern"}) as gateway:
        old, new = f"{gateway.url}/mcp/{OLD}", f"{gateway.url}/mcp/{NEW}"
        runs = sets(old, "required", LEGACY, *OLDER) | sets(new, "required", MODERN)
        runs |= sets(new, "cross_l2m", LEGACY) | sets(old, "cross_m2l", MODERN)
        for server, revision in ((OLD, LEGACY), (NEW, MODERN)):
            with world.shim(folder, gateway.url, server) as url:
                runs |= sets(url, "aggregated", revision)
        return runs


def dual() -> dict[str, Results]:
    """A server that speaks both eras, as those of version 2 of the SDKs do."""
    with world.several(OUT / "dual", {"dual": "both"}) as gateway:
        return sets(f"{gateway.url}/mcp/dual", "dual", LEGACY, MODERN)


def clients() -> dict[str, Results]:
    """The suite as the server: our client against it, and our client through Doorward."""
    runs: dict[str, Results] = {"client_direct": {}, "client_through": {}}
    commands = {
        "client_direct": shlex.join(world.module("tests.conformance.client")),
        "client_through": shlex.join(world.module("tests.conformance.client.behind")),
    }
    for revision, scenarios in CLIENT.items():
        for scenario in scenarios:
            for name, command in commands.items():
                out = OUT / name / f"{scenario}_{tag(revision)}"
                found = suite.client(command, scenario, revision, out)
                runs[name][f"{scenario}@{revision}"] = next(iter(found.values()), {})
    return runs


def compared(runs: dict[str, Results]) -> dict[str, Any]:
    """The figures of every run and, under "wrong", what makes this fail."""
    excepted = compare.load(Path(__file__).with_name("differences.toml"))
    report: dict[str, Any] = {}
    wrong: list[str] = []

    def add(name: str, scenarios: tuple[str, ...], before: Results, after: Results) -> None:
        rows = compare.rows(scenarios, before, after)
        report[name] = compare.figures(name, rows, excepted)
        wrong.extend(compare.judge(name, rows, excepted))

    for revision in (LEGACY, MODERN):
        own, needed = runs[f"direct_{tag(revision)}"], suite.required(revision, "server")
        wrong += [f"{name}: fails against the fixture" for name in needed if not suite.passes(own.get(name))]
        cross = "cross_l2m" if revision == LEGACY else "cross_m2l"
        for name in ("required", "aggregated", "dual"):
            add(f"{name}_{tag(revision)}", needed, own, runs[f"{name}_{tag(revision)}"])
        add(cross, needed, own, runs[f"{cross}_{tag(revision)}"])
        unscored = tuple(name for name in own if name not in needed)
        add(f"unscored_{tag(revision)}", unscored, own, runs[f"required_{tag(revision)}"])
    for revision in OLDER:
        own = runs[f"direct_{tag(revision)}"]
        add(f"all_{tag(revision)}", tuple(own), own, runs[f"required_{tag(revision)}"])
    client = runs["client_direct"]
    add("client", tuple(client), client, runs["client_through"])
    report["wrong"] = wrong
    return report


if __name__ == "__main__":
    sys.exit(main())
