"""How a command administers: through the admin plane of a gateway that runs, or on the store where none does.

Both ask for an operator's token: from --admin-token-file, DOORWARD_ADMIN_TOKEN, or the file in the state
directory where the first one is kept.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from doorward.cli import admin_wiring as wiring
from doorward.cli.exit import CommandError, Exit
from doorward.cli.parser import Parser, config_path

if TYPE_CHECKING:
    from doorward.app.admin.send import Send

VARIABLE: Final = "DOORWARD_ADMIN_TOKEN"
_HINT: Final = f"--admin-token-file FILE, {VARIABLE}, or doorward operators recover on this machine"


def add_token_flag(parser: Parser) -> None:
    """`--admin-token-file FILE`."""
    parser.add_argument(
        "--admin-token-file",
        metavar="FILE",
        help=f"file with your operator's token (default: ${VARIABLE}, else the state directory's)",
    )


@contextmanager
def administration(args: argparse.Namespace) -> Iterator["Send"]:
    """Carries out operations for the operator whose token is found.

    What is refused becomes a CommandError: AUTH for who may not, USAGE for what cannot be, UNREACHABLE.
    """
    from doorward.cli.refused import refused
    from doorward.cli.running import state_directory

    config = config_path(args)
    with refused():
        root = state_directory(Path(config))
        token = presented(args)
        address = wiring.admin_address(root)
        if address is not None:
            yield from _through(address, token or wiring.kept_token(root))
        else:
            from doorward.cli.settings import loaded

            with wiring.administered(loaded(args), token) as send:
                yield send


@contextmanager
def open_keys(args: argparse.Namespace) -> Iterator[wiring.Keys]:
    """What there is to do with keys; see `administration`."""
    with administration(args) as send:
        yield wiring.keys(send)


def presented(args: argparse.Namespace) -> str | None:
    """The token that was named. Raises CommandError(AUTH)."""
    named: str | None = getattr(args, "admin_token_file", None)
    if named is not None:
        found = wiring.token_in(Path(named))
        if found is None:
            raise CommandError(Exit.AUTH, f"{named}: no such file", "it should hold a dwa_ token")
        return found
    text = os.environ.get(VARIABLE, "").strip()
    if text and not (text.isascii() and text.isprintable() and " " not in text):
        raise CommandError(Exit.AUTH, f"{VARIABLE} holds no token", "a token starts with dwa_")
    return text or None


def _through(address: str, token: str | None) -> Iterator["Send"]:
    from doorward.cli.admin_client import AdminClient

    if token is None:
        raise CommandError(Exit.AUTH, "no operator's token was presented", _HINT)
    client = AdminClient(address, token)
    yield client
    if client.pending is not None:
        print(f"  stored, and not in force yet: {client.pending}", file=sys.stderr)
