"""`doorward demo`: sets the stage, lets the agents act, checks their story against the audit log."""

import argparse
import asyncio
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from doorward.demo.children import Broken, exit_code_of, output_of, python
from doorward.demo.evidence import differences, rows_of
from doorward.demo.scene import CONFIG_NAME, Scene, crm_command, folder, stage
from doorward.demo.script import ACTS
from doorward.demo.terminal import heading, say, styled, table, verdict, words

_PAUSE_S: Final = 1.5
_RECORDS: Final = 1000


@dataclass(frozen=True)
class Result:
    """How it went: the calls made, and whether agents and log said what they should."""

    calls: int
    acts: bool
    log: bool


def main(argv: Sequence[str]) -> int:
    """0 when everything came out as expected, else 1; 128 + the number of a signal. Leaves nothing."""
    parser = argparse.ArgumentParser(
        prog="doorward demo", description="Two agents, two MCP servers, one gateway."
    )
    parser.add_argument("--fast", action="store_true", help="no pauses for the reader")
    parser.add_argument("--keep", action="store_true", help="keep the folder: a starting point of your own")
    args = parser.parse_args(argv)
    return asyncio.run(_until_signalled(fast=args.fast, keep=args.keep))


async def _until_signalled(*, fast: bool, keep: bool) -> int:
    playing = asyncio.create_task(_play(fast=fast, keep=keep))
    received: list[int] = []

    def stop(number: int) -> None:
        # A second signal must not cut the cleaning up short.
        if not received:
            playing.cancel()
        received.append(number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        return await playing
    except asyncio.CancelledError:
        return 128 + received[0]
    except Broken as broken:
        print(f"doorward demo: {broken}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader has gone. Python flushes stdout once more at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


async def _play(*, fast: bool, keep: bool) -> int:
    began = time.monotonic()
    say(styled("bold", " Doorward  two agents, two real MCP servers, and a gateway between them"))
    say(styled("dim", "           Everything runs on this machine and is gone when the demonstration ends."))
    async with folder(keep=keep) as place:
        async with stage(place) as scene:
            _introduce(scene, time.monotonic() - began)
            result = await _acts(scene, pause=0.0 if fast else _PAUSE_S)
        if keep:
            _how_to_go_on(scene)
    return _score(result, time.monotonic() - began)


async def _acts(scene: Scene, *, pause: float) -> Result:
    transcript = scene.folder / "transcript.json"
    brief = {
        "url": scene.gateway,
        "keys": scene.keys,
        "lines": scene.lines,
        "transcript": str(transcript),
        "pause": pause,
    }
    agents = python("doorward.demo.agent")
    code = await exit_code_of(*agents, told=json.dumps(brief), cwd=scene.folder)
    if not transcript.exists():
        raise Broken(f"the agents ended with exit code {code} before their last act")
    made = json.loads(transcript.read_text(encoding="utf-8"))
    await asyncio.sleep(pause)
    return Result(len(made), acts=code == 0, log=await _evidence(scene, made))


async def _evidence(scene: Scene, made: Sequence[Any]) -> bool:
    heading(len(ACTS) + 2, "The audit log knows all of it")
    words("doorward audit tail --json, for exactly these calls:")
    command = (*python("doorward"), "audit", "tail", "--json", "-n", str(_RECORDS))
    lines = (await output_of(*command, "-c", CONFIG_NAME, cwd=scene.folder)).splitlines()
    rows = rows_of([json.loads(line) for line in lines])
    table(
        ("MCP", "AGENT", "TOOL", "DECISION", "RULE", "OUTCOME"),
        [
            (row.revision, row.agent, row.tool or "-", row.effect, row.rule or "-", row.outcome)
            for row in rows
        ],
    )
    wrong = differences(rows, made)
    for difference in wrong:
        verdict(difference, good=False)
    if not wrong:
        verdict(f"{len(rows)} calls, {len(rows)} decisions, each written before its call was sent", good=True)
    return not wrong


def _introduce(scene: Scene, seconds: float) -> None:
    say()
    crm = f"http://127.0.0.1:{scene.crm_port}/mcp"
    table(
        ("WHAT", "HOW", "WHERE"),
        [
            ("crm", "HTTP", f"{crm}, invented customers in SQLite"),
            ("files", "stdio", "started by the gateway, a folder of documents"),
            ("gateway", f"ready in {seconds:.1f} s", f"{scene.gateway}/mcp"),
        ],
    )
    say()
    words("The rules, doorward.yaml:")
    config = scene.config.read_text(encoding="utf-8").splitlines()
    first = config.index("agents:")
    for number, line in enumerate(config[first:], first + 1):
        text, _, _ = line.partition("# rule: ")
        say(f"{styled('dim', f'{number:>7}')}  {text.rstrip()}")


def _how_to_go_on(scene: Scene) -> None:
    say()
    words("Kept. To go on, in three terminals:")
    config = shlex.quote(str(scene.config))
    for command in (
        shlex.join(crm_command(scene.folder, scene.crm_port)),
        f"doorward serve -c {config}",
        f"doorward keys create --agent analyst -c {config}",
    ):
        say(f"       {command}")


def _score(result: Result, seconds: float) -> int:
    good = result.acts and result.log
    say()
    verdict(
        f"Agents: {result.calls} calls {'ended as they should' if result.acts else 'with surprises'}",
        good=result.acts,
    )
    verdict(
        f"Evidence: the log {'agrees with every one of them' if result.log else 'differs'}", good=result.log
    )
    say(styled("dim", f"     {seconds:.1f} s. Next: doorward init"))
    return 0 if good else 1
