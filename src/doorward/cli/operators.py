"""`doorward operators add|set|list|show|rotate|remove|whoami|recover`."""

import argparse
import time
from pathlib import Path
from typing import Any, Final

from doorward.cli import admin_wiring as wiring
from doorward.cli.administration import add_token_flag, administration
from doorward.cli.exit import CommandError, Exit
from doorward.cli.key_flags import NEVER, expiry, words
from doorward.cli.key_pages import date
from doorward.cli.output import Output
from doorward.cli.parser import Parser, Run, Subparsers, add_command, add_group, config_path

ROLES: Final = ("owner", "operator", "approver", "auditor", "viewer")
PAGE: Final = "1000"


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "operators", "Say who may administer")
    new = _command(group, "add", "Add an operator; the token is shown once", add)
    new.add_argument("name", help="what to call it, in records too")
    new.add_argument("--role", choices=ROLES, required=True, help="what it may do")
    _add_limits(new)
    changed = _of_one(group, "set", "Change what an operator may do", change)
    changed.add_argument("--role", choices=ROLES, help="what it may do from now on")
    _add_limits(changed)
    _command(group, "list", "List operators", show_all)
    _of_one(group, "show", "Show one operator", show)
    _of_one(group, "rotate", "Give an operator a new token; the old one ends at once", rotate)
    _of_one(group, "remove", "Remove an operator for good", remove)
    _command(group, "whoami", "Show who your token is, and what it may", whoami)
    add_command(group, "recover", "Make another owner when every token is lost", recover)


def _command(group: Subparsers, name: str, summary: str, run: Run) -> Parser:
    parser = add_command(group, name, summary, run)
    add_token_flag(parser)
    return parser


def _of_one(group: Subparsers, name: str, summary: str, run: Run) -> Parser:
    parser = _command(group, name, summary, run)
    parser.add_argument("operator", help="name or id, as operators list shows them")
    return parser


def _add_limits(parser: Parser) -> None:
    for what in ("agents", "servers"):
        parser.add_argument(
            f"--{what}",
            metavar="GLOB,..",
            action="append",
            type=words,
            help=f"{what} that it may hand out; '*' for all",
        )
    parser.add_argument("--expires", metavar="90d", type=expiry, help="lifetime in h, d, w or y, or never")


def add(args: argparse.Namespace) -> int:
    output = Output.of(args)
    wanted = {"name": args.name, "role": args.role, **_limits(args)}
    with administration(args) as send:
        said = send("POST", "/operators", wanted)
    output.say(f"operator {said['name']}, {said['role']}, expires {date(said['expires_at'])}")
    _new_token(output, said)
    output.result("operator", said)
    return 0


def change(args: argparse.Namespace) -> int:
    wanted = _limits(args) | ({} if args.role is None else {"role": args.role})
    if not wanted:
        message, hint = "doorward operators set: nothing to change", "see doorward operators set --help"
        raise CommandError(Exit.USAGE, message, hint)
    output = Output.of(args)
    with administration(args) as send:
        said = send("PATCH", f"/operators/{args.operator}", wanted)
    _table(output, [said])
    output.result("operator", said)
    return 0


def show_all(args: argparse.Namespace) -> int:
    output = Output.of(args)
    found: list[dict[str, Any]] = []
    with administration(args) as send:
        query = {"limit": PAGE}
        while True:
            said = send("GET", "/operators", query=query)
            found += said["operators"]
            if said["cursor"] is None:
                break
            query["cursor"] = said["cursor"]
    if found:
        _table(output, found)
    else:
        output.say("no operators yet; the first one is made by doorward serve, or by the first change")
    output.result("operators", {"operators": found})
    return 0


def show(args: argparse.Namespace) -> int:
    output = Output.of(args)
    with administration(args) as send:
        said = send("GET", f"/operators/{args.operator}")
    _table(output, [said])
    output.result("operator", said)
    return 0


def rotate(args: argparse.Namespace) -> int:
    from doorward.cli.running import state_directory

    output = Output.of(args)
    with administration(args) as send:
        said = send("POST", f"/operators/{args.operator}/rotate")
    output.say(f"operator {said['name']} has a new token; the old one is worth nothing now")
    _new_token(output, said)
    root = state_directory(Path(config_path(args)))
    if wiring.renew_token(root, said["id"], said["token"]):
        output.say(f"The one that was kept in {root} has been replaced.")
    output.result("operator", said)
    return 0


def remove(args: argparse.Namespace) -> int:
    output = Output.of(args)
    with administration(args) as send:
        said = send("DELETE", f"/operators/{args.operator}")
    output.say(f"removed {said['name']}")
    output.result("operator", said)
    return 0


def whoami(args: argparse.Namespace) -> int:
    output = Output.of(args)
    with administration(args) as send:
        said = send("GET", "/whoami")
    _table(output, [said["operator"]])
    output.say(f"may: {', '.join(said['rights'])}")
    output.result("whoami", said)
    return 0


def recover(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with wiring.recovered(loaded(args)) as (name, token):
        pass
    said = {"name": name, "role": "owner", "token": token}
    output.say(f"operator {name}, owner; commands on this machine present its token from now on")
    _new_token(output, said)
    output.say("Remove the operators whose tokens may be in wrong hands.")
    output.result("operator", said)
    return 0


def _limits(args: argparse.Namespace) -> dict[str, Any]:
    """Those that were given; None where a limit goes."""
    found: dict[str, Any] = {}
    for what in ("agents", "servers"):
        given: list[list[str]] | None = getattr(args, what)
        if given is not None:
            globs = [glob for some in given for glob in some]
            found[what] = None if globs == ["*"] else globs
    if args.expires is not None:
        found["expires_at"] = None if args.expires == NEVER else time.time() + args.expires
    return found


def _new_token(output: Output, said: dict[str, Any]) -> None:
    output.say("It is shown this once; put it into DOORWARD_ADMIN_TOKEN, or a file of mode 0600")
    output.say()
    output.say("<the token is in the JSON object>" if output.as_json else f"  {said['token']}")


def _table(output: Output, found: list[dict[str, Any]]) -> None:
    rows = [
        (
            row["id"],
            row["name"],
            row["role"],
            row["state"],
            "all" if row["agents"] is None else ", ".join(row["agents"]) or "none",
            "all" if row["servers"] is None else ", ".join(row["servers"]) or "none",
            date(row["expires_at"]),
        )
        for row in found
    ]
    output.table(("ID", "NAME", "ROLE", "STATE", "AGENTS", "SERVERS", "EXPIRES"), rows)
