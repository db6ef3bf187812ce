"""`doorward audit hash`: the digest under which the log would know a value."""

import argparse
import sys
from pathlib import Path

from doorward.cli import wiring
from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command

MAX_BYTES = 64 * 1024 * 1024


def add_commands(group: Subparsers) -> None:
    """To `doorward audit`."""
    summary = "Show the digests that a value has in the log; each use is recorded"
    parser = add_command(group, "hash", summary, run)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--value", help="the value itself; others on this machine may see it: rather --stdin")
    given.add_argument("--file", type=Path, help="a file, every byte of it")
    given.add_argument("--stdin", action="store_true", help="standard input, every byte of it")
    parser.add_argument("--tenant", default="default", help="whose (default: default)")
    parser.add_argument("--quarter", help="of which quarter, like 2026q3 (default: this one)")


def run(args: argparse.Namespace) -> int:
    """Exit code 2 for a quarter of which there is no key."""
    from doorward.cli.settings import loaded

    output, data = Output.of(args), _given(args)
    try:
        found = wiring.audit_hash(loaded(args), args.tenant, args.quarter, data)
    except LookupError as error:
        raise CommandError(Exit.USAGE, str(error), "doorward secrets list shows which there are") from None
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"--quarter: {error}", "for example 2026q3") from None
    for each in found:
        output.say(f"under {each.key}")
        if each.canonical is not None:
            output.say(f"  {each.canonical}  as arguments of up to 16 KB")
        output.say(f"  {each.raw}  as a result, or as larger arguments: byte for byte")
    output.say("this use of the key is recorded")
    shown = [{"key": each.key, "canonical": each.canonical, "raw": each.raw} for each in found]
    output.result("audit.hash", {"tenant": args.tenant, "digests": shown})
    return 0


def _given(args: argparse.Namespace) -> bytes:
    if args.value is not None:
        return str(args.value).encode("utf-8", "surrogateescape")
    try:
        if args.stdin:
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with args.file.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"cannot read it: {error}") from None
    if len(data) > MAX_BYTES:
        raise CommandError(Exit.USAGE, f"larger than {MAX_BYTES} bytes", "no message is that large")
    return bytes(data)
