"""The entry point: which commands there are, and what becomes of every way in which one can end."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from doorward import __version__
from doorward.cli import (
    audit,
    block,
    bridge,
    config,
    demo,
    init,
    keys,
    operators,
    secrets,
    serve,
    servers,
    status,
    tools,
    version,
    whoami,
)
from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import report
from doorward.cli.parser import Parser, add_common
from doorward.model.errors import DoorwardError
from doorward.model.reasons import REASONS, Blame, Reason

# Shown in this order by --help: first what a newcomer needs.
_COMMANDS: Final = (
    demo, init, serve, status, servers, tools, whoami, keys, operators, block, secrets, config, audit, bridge,
    version,
)  # fmt: skip

_EXITS: Final = {
    Blame.CALLER: Exit.USAGE,
    Blame.UPSTREAM: Exit.UPSTREAM,
    Blame.POLICY: Exit.DENIED,
    Blame.OURSELVES: Exit.BUG,
}
_UNREACHABLE: Final = {
    Reason.UPSTREAM_UNREACHABLE,
    Reason.UPSTREAM_TIMEOUT,
    Reason.STORE_UNAVAILABLE,
    Reason.SHUTTING_DOWN,
    Reason.CALL_CUT,
}


def build() -> Parser:
    """The whole command tree."""
    parser = Parser(
        prog="doorward",
        description="Security and governance gateway for the Model Context Protocol.",
        epilog="Exit codes: 0 ok, 1 bug, 2 usage or configuration, 3 authentication, 4 unreachable,\n"
        "5 upstream error, 10 findings, 11 denied, 12 integrity, 130 interrupted.\n\n"
        "New here: doorward demo, then doorward init.",
    )
    parser.add_argument("--version", action="version", version=f"doorward {__version__}")
    add_common(parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. Never raises."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        args = _parse(arguments)
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except SystemExit as done:  # argparse, after --help and --version
        return int(done.code or 0)
    except CommandError as error:
        return _end(error, as_json)
    except DoorwardError as error:
        return _end(_command_error(error), as_json)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python flushes once more at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as bug:  # noqa: BLE001 - nothing above us would say it better
        return _end(_bug(bug), as_json)


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Arguments of one command; those that no parser knows only where a command passes them on."""
    parser = build()
    args, rest = parser.parse_known_args(arguments)
    if rest and not getattr(args, "passes_on", False):
        parser.error(f"unknown argument {rest[0]}")
    args.rest = rest
    return args


def _end(error: CommandError, as_json: bool) -> int:
    report(error, as_json=as_json)
    return error.exit_code


def _command_error(error: DoorwardError) -> CommandError:
    info = REASONS[error.reason]
    if error.reason in _UNREACHABLE:
        code = Exit.UNREACHABLE
    elif error.reason.value.startswith("credential_"):
        code = Exit.AUTH
    else:
        code = _EXITS[info.blame]
    return CommandError(code, f"doorward: {error.message}", info.advice, data={"reason": error.reason.value})


def _bug(bug: Exception) -> CommandError:
    if os.environ.get("DOORWARD_DEBUG") == "1":
        traceback.print_exception(bug)
    where = traceback.extract_tb(bug.__traceback__)[-1]
    place = f"{os.path.basename(where.filename)}:{where.lineno}"  # noqa: PTH119 - pathlib costs 5 ms of start-up
    message = f"doorward: {type(bug).__name__}: {bug} ({place})"
    return CommandError(Exit.BUG, message, "this is a bug; DOORWARD_DEBUG=1 shows where it happened")
