"""`doorward audit tail`: the audit log, as it grows."""

import argparse
import json
from typing import Any

from doorward.cli import evidence, hashing, keeping, query, wiring
from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, add_group


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "audit", "Read the audit log, and prove what it says")
    parser = add_command(group, "tail", "Show the last records; --json prints each as it is", run)
    parser.add_argument("-f", "--follow", action="store_true", help="go on as records are written")
    parser.add_argument("-n", "--count", type=_count, default=20, help="how many to start with (default: 20)")
    parser.add_argument(
        "filter", nargs="*", help="only calls that meet it, as in 'agent=ci-bot decision!=permit'"
    )
    query.add_commands(group)
    evidence.add_commands(group)
    hashing.add_commands(group)
    keeping.add_commands(group)


def run(args: argparse.Namespace) -> int:
    """With --json one record a line, in the vocabulary of the log itself; 12 when a line is no record."""
    from doorward.cli.records import line
    from doorward.cli.settings import loaded

    output, damaged = Output.of(args), 0
    wanted = query.filter_of(args) if args.filter else None
    with query.readable():
        try:
            records = wiring.audit_tail(loaded(args), args.follow, args.count, wanted)
        except ValueError as error:
            raise CommandError(Exit.USAGE, f"doorward audit: {error}") from None
        for record in records:
            members = _members(record)
            damaged += members is None
            if output.as_json and members is not None:
                print(record.decode(), flush=args.follow)
            elif not output.as_json:
                print("a line that is no record" if members is None else line(members), flush=args.follow)
    return query.verdict(damaged)


def _members(record: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(record)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError("expected a number")
    return int(text)
