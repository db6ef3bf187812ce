"""Where a command takes a passphrase from: a file or the terminal, never an argument, which others see."""

import argparse
import getpass
import sys
from pathlib import Path
from typing import Final

from doorward.cli.exit import CommandError, Exit
from doorward.cli.parser import Parser

MAX_BYTES: Final = 4096


def add_passphrase_flag(parser: Parser) -> None:
    """`--passphrase-file FILE`."""
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help="its first line is the passphrase (default: it is asked for)",
    )


def passphrase(args: argparse.Namespace, *, new: bool) -> str:
    """What was given; a `new` one is asked for twice. Raises CommandError(USAGE)."""
    if args.passphrase_file is not None:
        return _first_line(Path(args.passphrase_file))
    if not sys.stdin.isatty():
        hint = "name a file that holds it: --passphrase-file FILE"
        raise CommandError(Exit.USAGE, "there is no terminal to ask for the passphrase", hint)
    given = getpass.getpass("Passphrase: ")
    if new and getpass.getpass("The same again: ") != given:
        raise CommandError(Exit.USAGE, "these are two passphrases")
    return given


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            line = file.read(MAX_BYTES).partition(b"\n")[0].rstrip(b"\r")
        return line.decode()
    except OSError as error:
        raise CommandError(Exit.USAGE, f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(Exit.USAGE, f"{path}: the passphrase is no UTF-8 text") from None
