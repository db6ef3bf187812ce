"""`doorward audit tail`: the audit log, as it grows."""

import argparse
import json

from doorward.cli import evidence, hashing, keeping, wiring
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, add_group


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "audit", "Read the audit log, and prove what it says")
    parser = add_command(group, "tail", "Show the last records; --json prints each as it is", run)
    parser.add_argument("-f", "--follow", action="store_true", help="go on as records are written")
    parser.add_argument("-n", "--count", type=_count, default=20, help="how many to start with (default: 20)")
    evidence.add_commands(group)
    hashing.add_commands(group)
    keeping.add_commands(group)


def run(args: argparse.Namespace) -> int:
    """With --json one record a line, in the vocabulary of the log itself."""
    from doorward.cli.records import line
    from doorward.cli.settings import loaded

    output = Output.of(args)
    for record in wiring.audit_tail(loaded(args), args.follow, args.count):
        shown = record.decode() if output.as_json else line(json.loads(record))
        print(shown, flush=args.follow)
    return 0


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError("expected a number")
    return int(text)
