"""`doorward demo`: attacks on bundled servers, stopped before your eyes."""

import argparse

from doorward.cli import wiring
from doorward.cli.parser import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Takes no arguments itself: the demonstration has a parser of its own, and a --help."""
    summary = "Show attacks being stopped, offline, in under a minute"
    parser = subparsers.add_parser("demo", help=summary, add_help=False)
    parser.set_defaults(run=run, passes_on=True)


def run(args: argparse.Namespace) -> int:
    """`args.rest` is what stood after the command."""
    before = ["--json"] if getattr(args, "json", False) else []
    return wiring.demo([*before, *args.rest])
