"""Figures that are no single run: refusals, half load, small calls beside large ones, idle streams."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from . import plan, sessions, usage
from .measure import Failed, Pace, charged, load, measure
from .report import Figures
from .stage import Stage
from .turns import Way, taking_turns

STREAMS = 2000
ADDRESSES = 4
"""Loopback addresses that the streams come from: a gateway bounds the connections of one address."""
SMALL_PER_S = 200
"""Small calls a second beside the large ones: few enough that the wait of one is the stall of another."""
SMALL_CONNECTIONS = 32
API_CALLS_PER_S = 1000
API_KEYS = 5000
API_ROUNDS = 5
"""At least: the 99th percentile of a few seconds says little by itself."""
SYNCED_BYTES = 16 * 1024
"""What 16 calls have to have on the disk."""
SPACED_S = 0.001
"""About as long as 16 calls take."""
JSON_1K = plan.REPLIES["json_1k"]

Say = Callable[[str, Figures], None]


def run(stage: Stage, scenes: Sequence[str], rounds: int, pace: Pace, say: Say) -> dict[str, Figures]:
    """Medians by name. Raises Failed."""
    found: dict[str, Figures] = {}
    if set(scenes) & set(plan.IDLE):
        found.update(idle_streams(stage, pace))
    if set(scenes) & set(plan.LISTS):
        found.update(lists(stage, rounds))
    if set(scenes) & set(plan.IDENTITY):
        found.update(identity(stage))
    for name in scenes:
        if name in plan.REFUSED:
            found[name] = _condense([refused(stage, name, pace) for _ in range(rounds)])
        elif name in plan.BESIDE:
            found[name] = _condense([beside(stage, name, pace) for _ in range(rounds)])
        elif name == plan.HALF_LOAD:
            found[name] = half_load(stage, rounds, pace)
        elif name == plan.SESSION:
            with stage.another_relay() as relay:
                found[name] = sessions.idle_sessions(relay)
        elif name == plan.REVOCATION:
            found[name] = revocation(stage)
        elif name == plan.API:
            found[name] = api_beside(stage, rounds, pace)
        elif name == plan.AGGREGATE:
            found[name] = aggregate(stage, rounds, pace)
        elif name == plan.STRICT:
            found[name] = strict(stage, rounds, pace)
        elif name in plan.EVIDENCE:
            found[name] = evidence(stage, name)
        elif name in plan.CROSS:
            found[name] = cross(stage, name, rounds, pace)
        say(name, found[name])
    return {name: found[name] for name in scenes}


def _condense(rounds: Sequence[Figures]) -> Figures:
    return {
        **{name: round(median(one[name] for one in rounds), 4) for name in rounds[0]},
        "errors": sum(one.get("errors", 0) for one in rounds),
        "rounds": len(rounds),
    }


def refused(stage: Stage, name: str, pace: Pace) -> Figures:
    """A key that this gateway does not know (401), or half a message under a good one (400)."""
    stage.choose_replies(JSON_1K.echo_set)
    relay, status = stage.targets["relay"], plan.REFUSED[name]
    if status == 401:
        relay = replace(relay, key=stage.targets["governed"].key)
    malformed = status == 400
    small = replace(JSON_1K, least_bytes=0)
    figures = charged(stage, relay, pace, small, connections=16, refused=status, malformed=malformed)
    return {key: value for key, value in figures.items() if key != "upstream_cpu_us"}


def half_load(stage: Stage, rounds: int, pace: Pace) -> Figures:
    """Every target at half of what the gateway can do: what a gateway that is not busy adds to a call."""
    stage.choose_replies(JSON_1K.echo_set)
    capacity = measure(stage, plan.Measurement("relay", "json_1k", 16), pace)["calls_per_s"]
    found = []
    for _ in range(rounds):
        runs = {
            name: charged(stage, stage.targets[name], pace, JSON_1K, connections=64, rate=capacity / 2)
            for name in ("direct", "nginx", "relay")
        }
        relay = runs["relay"]
        found.append(
            {
                **relay,
                "rate": capacity / 2,
                "direct_p99_ms": runs["direct"]["p99_ms"],
                "nginx_p99_ms": runs["nginx"]["p99_ms"],
                "added_p50_ms": relay["p50_ms"] - runs["direct"]["p50_ms"],
                "added_p99_ms": relay["p99_ms"] - runs["direct"]["p99_ms"],
                "added_p99_over_nginx_ms": relay["p99_ms"] - runs["nginx"]["p99_ms"],
            }
        )
    return _condense(found)


def aggregate(stage: Stage, rounds: int, pace: Pace) -> Figures:
    """One call through the aggregate and through the server's own endpoint of the same gateway, in turn: what
    names, URIs and the look at each reply add."""
    stage.choose_replies(JSON_1K.echo_set)
    own = stage.targets["relay"]
    ways = {
        "own": Way(own, JSON_1K),
        "together": Way(replace(own, paths="/mcp"), JSON_1K, {"tool": "echo__echo"}),
    }
    found = []
    for _ in range(rounds):
        runs = taking_turns(stage, ways, pace, connections=16)
        one, other = runs["together"], runs["own"]
        found.append({**one, "own_cpu_us": other["cpu_us"], "added_us": one["cpu_us"] - other["cpu_us"]})
    return _condense(found)


def strict(stage: Stage, rounds: int, pace: Pace) -> Figures:
    """Calls that wait until the disk has their record, beside calls that do not, and what a sync of that much
    takes on the same disk at the same time."""
    stage.choose_replies(JSON_1K.echo_set)
    relay, found = stage.targets["relay"], []
    ways = {"buffered": JSON_1K, "strict": replace(JSON_1K, endpoint="strict")}
    for number in range(rounds):
        order = reversed(ways) if number % 2 else iter(ways)
        runs = {way: charged(stage, relay, pace, ways[way], connections=16) for way in order}
        one, other = runs["strict"], runs["buffered"]
        found.append(
            {
                **one,
                "buffered_cpu_us": other["cpu_us"],
                "added_us": one["cpu_us"] - other["cpu_us"],
                "added_p50_ms": one["p50_ms"] - other["p50_ms"],
                **synced(stage.place),
            }
        )
    return _condense(found)


def synced(directory: Path, times: int = 200) -> Figures:
    """Of an fdatasync behind 16 records: median milliseconds, and mean processor time with its write.

    Into room that is only allocated, one after the other; into room that holds zeros, as the log makes it for
    strict calls; and into such room with the rests between them that a gateway at work leaves, because a disk
    that has rested is slower. The processor time over 16 is what no gateway of 16 connections can go below.
    """
    found: Figures = {}
    for kind, zeros, rest_s in (("", False, 0.0), ("written_", True, 0.0), ("spaced_", True, SPACED_S)):
        took, spent = [], 0.0
        with tempfile.NamedTemporaryFile(dir=directory) as file:
            os.posix_fallocate(file.fileno(), 0, SYNCED_BYTES * times)
            os.pwrite(file.fileno(), bytes(SYNCED_BYTES * times * zeros), 0)
            os.fsync(file.fileno())
            for number in range(times):
                time.sleep(rest_s)
                spent -= time.thread_time()
                os.pwrite(file.fileno(), bytes(SYNCED_BYTES), number * SYNCED_BYTES)
                began = time.perf_counter()
                os.fdatasync(file.fileno())
                took.append((time.perf_counter() - began) * 1e3)
                spent += time.thread_time()
        found[f"fdatasync_{kind}p50_ms"] = median(took)
        found[f"fdatasync_{kind}cpu_us"] = spent * 1e6 / times
    return found


def evidence(stage: Stage, name: str) -> Figures:
    """In a process of its own; see evidence.py."""
    command = [*stage.evidence, plan.EVIDENCE[name]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        raise Failed(f"evidence.py: {done.stderr.strip()}")
    return {**json.loads(done.stdout), "errors": 0, "rounds": 1}


def cross(stage: Stage, name: str, rounds: int, pace: Pace) -> Figures:
    """One call whose caller and server are of different eras, and both calls between which it stands: the
    caller's era on both sides, and the server's. `added_us` is what lies over the mean of those two, because
    half of each is what this one has to do anyway."""
    stage.choose_replies(JSON_1K.echo_set)
    relay, (modern, endpoint) = stage.targets["relay"], plan.CROSS[name]
    ways = {
        "caller_era": Way(relay, replace(JSON_1K, modern=modern, endpoint="modern" if modern else "echo")),
        "cross": Way(relay, replace(JSON_1K, modern=modern, endpoint=endpoint)),
        "server_era": Way(relay, replace(JSON_1K, modern=not modern, endpoint=endpoint)),
    }
    found = []
    for _ in range(rounds):
        runs = taking_turns(stage, ways, pace, connections=16)
        same = {f"{way}_cpu_us": runs[way]["cpu_us"] for way in ("caller_era", "server_era")}
        found.append({**runs["cross"], **same, "added_us": runs["cross"]["cpu_us"] - sum(same.values()) / 2})
    return _condense(found)


def lists(stage: Stage, rounds: int) -> dict[str, Figures]:
    """In a process of its own each time, since cold is cold only once."""
    runs = []
    for _ in range(rounds):
        done = subprocess.run(stage.listing, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise Failed(f"listing.py: {done.stderr.strip()}")
        runs.append(json.loads(done.stdout))
    told = _condense(runs)
    return {
        "list_13000_cold": _told(told, ms="cold_ms", cpu_ms="cold_cpu_ms"),
        "list_13000_warm": _told(told, ms="warm_ms", cpu_ms="warm_cpu_ms", asked_again_ms="asked_again_ms"),
        "list_13000": _told(told, rss_mb="rss_mb"),
    }


def _told(told: Figures, **names: str) -> Figures:
    return {**{name: told[source] for name, source in names.items()}, "errors": 0, "rounds": told["rounds"]}


def identity(stage: Stage) -> dict[str, Figures]:
    """Once, in a process of its own: 100,000 tokens take their time; each figure is the least of many."""
    done = subprocess.run(stage.identity, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        raise Failed(f"identity.py: {done.stderr.strip()}")
    told: Figures = {**json.loads(done.stdout), "rounds": 1}
    told["cold_us"] = max(told["es256_us"], told["rs256_us"])
    return {
        "key_cached": _told(told, cpu_us="key_us", again_us="key_again_us"),
        "token_cached": _told(told, cpu_us="token_us", again_us="token_again_us"),
        "jwt_cold": _told(told, cpu_us="cold_us", es256_us="es256_us", rs256_us="rs256_us"),
        "token_flood": _told(told, rss_mb="rss_mb", grown_mb="grown_mb"),
    }


def revocation(stage: Stage) -> Figures:
    """In a gateway of its own: from an operator's word to the first call that is refused, of every kind."""
    done = subprocess.run(stage.revocation, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise Failed(f"revocation.py: {done.stderr.strip()}")
    told: Figures = {**json.loads(done.stdout), "rounds": 1}
    names = {name: name for name in told if name.endswith("_ms")}
    return _told(told, **{"p99_ms": "begin_ms", **names})


def beside(stage: Stage, name: str, pace: Pace) -> Figures:
    """Small calls at a fixed rate while one caller sends large bodies as fast as they are answered."""
    stage.choose_replies(JSON_1K.echo_set)
    target = stage.targets["governed"]
    longer = Pace(pace.warm_s, pace.measured_s + 2.0)
    size, table = plan.BESIDE[name], name.endswith("_table")
    with load(stage, target, longer, JSON_1K, connections=1, arguments=size, table=table) as large:
        large.warmed()
        with load(stage, target, pace, JSON_1K, connections=SMALL_CONNECTIONS, rate=SMALL_PER_S) as small:
            small.warmed()
            done = small.measured()
        beside_it = large.measured()
    return {
        "p50_ms": done.p50_ms,
        "p99_ms": done.p99_ms,
        "max_ms": done.max_ms,
        "calls_per_s": done.calls_per_s,
        "large_calls_per_s": beside_it.calls_per_s,
        "large_p50_ms": beside_it.p50_ms,
        "behind": done.behind,
        "errors": done.errors,
    }


def api_beside(stage: Stage, rounds: int, pace: Pace) -> Figures:
    """Calls at a fixed rate, while somebody reads page after page of thousands of keys from the admin API,
    and while nobody does; in turn, the one that goes first changing."""
    stage.choose_replies(JSON_1K.echo_set)
    found = []
    with stage.another_relay() as relay:
        state = str(stage.place / "state-relay-alone")
        subprocess.run([*stage.api, "fill", state, str(API_KEYS)], check=True, timeout=240)
        for number in range(max(rounds, API_ROUNDS)):
            runs: dict[bool, Figures] = {}
            for asked in (True, False) if number % 2 else (False, True):
                with asking(stage, state) if asked else contextlib.nullcontext({}) as pages:
                    runs[asked] = charged(
                        stage, relay, pace, JSON_1K, connections=SMALL_CONNECTIONS, rate=API_CALLS_PER_S
                    )
                runs[asked] |= pages
            one, other = runs[True], runs[False]
            found.append(
                {
                    **{name: one[name] for name in ("p50_ms", "p99_ms", "calls_per_s", "errors", "pages")},
                    "alone_p50_ms": other["p50_ms"],
                    "alone_p99_ms": other["p99_ms"],
                    "p50_ratio": one["p50_ms"] / other["p50_ms"],
                    "p99_ratio": one["p99_ms"] / other["p99_ms"],
                }
            )
    return _condense(found)


@contextlib.contextmanager
def asking(stage: Stage, state: str) -> Iterator[Figures]:
    """Somebody asks until the block ends; then what is yielded holds how many `pages` there were."""
    told: Figures = {}
    with subprocess.Popen(
        [*stage.api, "ask", state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as asker:
        assert asker.stdout is not None
        if asker.stdout.readline() != "asking\n":
            raise Failed("api.py could not ask")
        yield told
        assert asker.stdin is not None
        asker.stdin.close()
        told.update(json.loads(asker.stdout.readline()))


def idle_streams(stage: Stage, pace: Pace) -> dict[str, Figures]:
    """Sessions with an open GET stream each, at a gateway of its own that has served some calls before."""
    with stage.another_relay() as relay:
        charged(stage, relay, pace, JSON_1K, connections=16)
        before = usage.rss_mb(relay.pid, relay.children)
        with load(
            stage,
            relay,
            Pace(1.0, 1.0),
            JSON_1K,
            connections=STREAMS,
            addresses=ADDRESSES,
            listen=True,
        ) as streams:
            streams.warmed()
            after = usage.rss_mb(relay.pid, relay.children)
    each = (after - before) * 1024 * 1024 / STREAMS
    return {
        "idle_sse_connection": {"bytes": round(each), "connections": STREAMS, "rounds": 1},
        "connections_2000": {"rss_mb": round(after, 4), "rss_before_mb": round(before, 4), "rounds": 1},
    }
