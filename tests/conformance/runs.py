"""What is run against what: each part starts its own processes and gives what the suite found, by run.

Parts share nothing, so they can go on side by side, and any of them again. Inside one, runs follow each
other: a scenario of the suite may change what the fixture lists.
"""

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tests.conformance import questions, suite, world
from tests.conformance.suite import Results

LEGACY, MODERN = "2025-11-25", "2026-07-28"
OLD, NEW = "old", "new"
"""The servers of the two eras."""
OLDER: Final = ("2025-03-26", "2025-06-18")
ABOUT_LOGIN: Final = "auth/"
"""Scenarios of clients that log in, which Doorward does not do upstream."""
PRESERVED: Final = "json-schema-2020-12-preservation"
"""Not scored; what an intermediary is most likely to break."""

Found = dict[str, Results]
"""By run."""


class Part(NamedTuple):
    """Something that is run as a whole."""

    runs: frozenset[str]
    """Which it has results of."""
    play: Callable[[Path], Found]
    """In a folder that it may make."""


def tag(revision: str) -> str:
    return revision.replace("-", "_")


def client_scenarios(revision: str) -> tuple[str, ...]:
    """The required ones about MCP, and one more."""
    scored = (name for name in suite.required(revision, "client") if not name.startswith(ABOUT_LOGIN))
    return (*scored, PRESERVED)


def parts() -> list[Part]:
    """The long ones first, so that none of them is left over for the end."""
    through = {f"required_{tag(each)}" for each in (LEGACY, MODERN, *OLDER)}
    through |= {"cross_l2m", "cross_m2l", "cross_l2m_asked", "cross_m2l_asked"}
    through |= {f"aggregated_{tag(each)}" for each in (LEGACY, MODERN)}
    own = {f"direct_{tag(each)}" for each in (LEGACY, MODERN, *OLDER)}
    both = {f"dual_{tag(each)}" for each in (LEGACY, MODERN)}
    played = [Part(frozenset(through), _through), Part(frozenset(own), _direct), Part(frozenset(both), _dual)]
    for revision in (LEGACY, MODERN):
        for scenario in client_scenarios(revision):
            play = partial(_client, scenario, revision)
            played.append(Part(frozenset({"client_direct", "client_through"}), play))
    return played


def _sets(url: str, out: Path, name: str, *revisions: str) -> Found:
    """Everything of a revision that is run against servers, its required set and what is not scored."""
    return {
        f"{name}_{tag(revision)}": suite.server(url, out / f"{name}_{tag(revision)}", *_which(revision))
        for revision in revisions
    }


def _which(revision: str) -> tuple[str, ...]:
    if revision in OLDER:
        return "--suite", "all", "--spec-version", revision
    return "--requirements", revision


def _direct(out: Path) -> Found:
    folder = out / "direct"
    folder.mkdir()
    with world.fixture(folder, "legacy", OLD) as old, world.fixture(folder, "modern", NEW) as new:
        return _sets(old, out, "direct", LEGACY, *OLDER) | _sets(new, out, "direct", MODERN)


def _through(out: Path) -> Found:
    """A server of each era behind one gateway: for clients of its era, of the other one, and at `/mcp`."""
    folder = out / "through"
    with world.several(folder, {OLD: "legacy", NEW: "modern"}) as gateway:
        old, new = f"{gateway.url}/mcp/{OLD}", f"{gateway.url}/mcp/{NEW}"
        found = _sets(old, out, "required", LEGACY, *OLDER) | _sets(new, out, "required", MODERN)
        for name, url, revision in (("cross_l2m", new, LEGACY), ("cross_m2l", old, MODERN)):
            found[name] = suite.server(url, out / name, *_which(revision))
            found[f"{name}_asked"] = questions.asked(name, url, url.rpartition("/")[2])
        for server, revision in ((OLD, LEGACY), (NEW, MODERN)):
            with world.shim(folder, gateway.url, server) as url:
                found |= _sets(url, out, "aggregated", revision)
        return found


def _dual(out: Path) -> Found:
    """A server that speaks both eras, as those of version 2 of the SDKs do."""
    with world.several(out / "dual", {"dual": "both"}) as gateway:
        return _sets(f"{gateway.url}/mcp/dual", out, "dual", LEGACY, MODERN)


def _client(scenario: str, revision: str, out: Path) -> Found:
    """The suite as the server: our client against it, and our client through Doorward."""
    name = f"{scenario}@{revision}"
    found: Found = {}
    for run, module in (
        ("direct", "tests.conformance.client"),
        ("through", "tests.conformance.client.behind"),
    ):
        command = shlex.join(world.module(module))
        results = suite.client(command, scenario, revision, out / f"client_{run}" / name)
        found[f"client_{run}"] = {name: next(iter(results.values()), {})}
    return found
