"""Argument parsing that fails with our exit code and a suggestion. Standard library only, for `--help`."""

import argparse
import os
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NoReturn

from doorward.cli.exit import CommandError, Exit

DEFAULT_CONFIG: Final = "doorward.yaml"
_CHOICE: Final = re.compile(r"argument (?:[^:]*): invalid choice: '?(.*?)'? \(choose from (.*)\)", re.DOTALL)

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction["Parser"]  # noqa: SLF001 - typeshed has no public name for it
else:
    Subparsers = Any

Run = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Raises CommandError where argparse prints usage and exits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Called by argparse with a message of its own wording."""
        found = _CHOICE.fullmatch(message)
        if found is None:
            raise CommandError(Exit.USAGE, f"{self.prog}: {message}", f"see {self.prog} --help")
        word, known = found[1], re.findall(r"[\w.-]+", found[2])
        close = get_close_matches(word, known, n=1, cutoff=0.5)
        hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(known)}"
        raise CommandError(Exit.USAGE, f'{self.prog}: unknown "{word}"', hint)


def add_command(subparsers: Subparsers, name: str, summary: str, run: Run | None, **kwargs: Any) -> Parser:
    """A command with the flags that all of them have. Without `run` it is a group of commands."""
    parser = subparsers.add_parser(name, help=summary, description=summary, **kwargs)
    add_common(parser)
    if run is not None:
        parser.set_defaults(run=run)
    return parser


def add_group(subparsers: Subparsers, name: str, summary: str) -> Subparsers:
    """A command that only has commands of its own."""
    parser = add_command(subparsers, name, summary, None)
    return parser.add_subparsers(metavar="COMMAND", required=True, title="commands")


def add_common(parser: argparse.ArgumentParser) -> None:
    """`--json` and `-c`, before or after the command. Suppressed defaults keep the outer value alive."""
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,
        help="one JSON object on stdout, words on stderr",
    )
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help=f"configuration file (default: $DOORWARD_CONFIG, else ./{DEFAULT_CONFIG})",
    )


def config_path(args: argparse.Namespace) -> str:
    """The file that -c, the environment or the default names, as it was written."""
    given: str | None = getattr(args, "config", None)
    return given or os.environ.get("DOORWARD_CONFIG") or DEFAULT_CONFIG
