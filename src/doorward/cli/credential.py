"""The key that a command presents: from the environment, not from arguments, where `ps` would show it."""

import argparse
import os
from typing import Final

from doorward.cli.exit import CommandError, Exit
from doorward.cli.parser import Parser

KEY_VARIABLE: Final = "DOORWARD_KEY"


def add_key_flag(parser: Parser) -> None:
    """`--key-env NAME`."""
    parser.add_argument(
        "--key-env", metavar="NAME", help=f"environment variable that holds the key (default: {KEY_VARIABLE})"
    )


def key(args: argparse.Namespace) -> str | None:
    """The key, or None where the default variable is not set. Raises CommandError(AUTH)."""
    named: str | None = args.key_env
    found = os.environ.get(named or KEY_VARIABLE)
    if named and not found:
        raise CommandError(Exit.AUTH, f"environment variable {named} is not set", "it should hold a dw_ key")
    if found and not (found.isascii() and found.isprintable() and " " not in found):
        raise CommandError(Exit.AUTH, f"{named or KEY_VARIABLE} holds no key", "a key starts with dw_")
    return found or None
