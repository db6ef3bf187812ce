"""`doorward version`."""

import argparse
import platform

from doorward import __version__
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command


def add_parser(subparsers: Subparsers) -> None:
    add_command(subparsers, "version", "Say which version this is", run)


def run(args: argparse.Namespace) -> int:
    output = Output.of(args)
    python = platform.python_version()
    output.say(f"doorward {__version__} (Python {python})")
    output.result("version", {"version": __version__, "python": python})
    return 0
