"""`doorward keys create|set|show|list|rotate|revoke`."""

import argparse

from doorward.cli import admin_wiring as wiring
from doorward.cli.administration import add_token_flag, administration, open_keys
from doorward.cli.exit import CommandError, Exit
from doorward.cli.flights import end_calls, say_calls, show_calls
from doorward.cli.key_flags import add_limits, ends, expiry, limits, overlap
from doorward.cli.output import Output
from doorward.cli.parser import Parser, Subparsers, add_command, add_group


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "keys", "Create, change and revoke virtual keys")
    new = add_command(group, "create", "Create a key for an agent; it is shown once", create)
    add_token_flag(new)
    new.add_argument("--agent", required=True, help="name under agents: in the configuration")
    new.add_argument("--name", help="what to call it (default: the agent's name)")
    new.add_argument("--test", action="store_true", help="a dw_test_ key instead of a dw_live_ one")
    add_limits(new)
    new.add_argument(
        "--expires", metavar="90d", type=expiry, help="lifetime in h, d, w or y, or never (default: 90d)"
    )
    changed = _of_one(group, "set", "Change what a key may do; in force within a second")
    changed.set_defaults(run=change)
    add_limits(changed)
    changed.add_argument("--expires", metavar="90d", type=expiry, help="from now on: h, d, w or y, or never")
    _of_one(group, "show", "Show what a key may do, and who says so").set_defaults(run=show)
    add_token_flag(add_command(group, "list", "List keys, without their secrets", show_all))
    rotated = _of_one(group, "rotate", "Give a key a new secret; the old one works on for a while")
    rotated.set_defaults(run=rotate)
    rotated.add_argument(
        "--overlap", metavar="24h", type=overlap, help="for how long: m, h or d, or 0 (default: 24h)"
    )
    rotated.add_argument(
        "--expires", metavar="90d", type=expiry, help="lifetime from now on (default: it ends as before)"
    )
    revoked = _of_one(group, "revoke", "Revoke a key for good")
    revoked.set_defaults(run=revoke)
    revoked.add_argument("--now", action="store_true", help="also end the calls that are in flight")


def _of_one(group: Subparsers, name: str, summary: str) -> Parser:
    parser = add_command(group, name, summary, None)
    add_token_flag(parser)
    parser.add_argument("id", help="the key's id, as keys list shows it")
    return parser


def create(args: argparse.Namespace) -> int:
    from doorward.cli import key_pages
    from doorward.cli.settings import loaded
    from doorward.config.errors import did_you_mean
    from doorward.control.keys import Wanted

    document, output = loaded(args), Output.of(args)
    if args.agent not in document.settings.agents:
        hint = did_you_mean(args.agent, document.settings.agents) or "add it to the configuration first"
        raise CommandError(Exit.USAGE, f'no agent is named "{args.agent}" in {document.path}', hint)
    environment = "test" if args.test else "live"
    wanted = Wanted(agent=args.agent, name=args.name, environment=environment, **limits(args))
    with open_keys(args) as keys:
        shown = keys.create(wanted)
    ends_at = key_pages.date(shown["effective"]["expires_at"])
    output.say(f"key {shown['id']} for agent {shown['agent']}, expires {ends_at}")
    key_pages.new_secret(output, shown)
    output.result("key", shown)
    return 0


def change(args: argparse.Namespace) -> int:
    from doorward.cli import key_pages
    from doorward.control.keys import Change

    wanted = limits(args)
    if not wanted:
        message, hint = "doorward keys set: nothing to change", "see doorward keys set --help"
        raise CommandError(Exit.USAGE, message, hint)
    output = Output.of(args)
    with open_keys(args) as keys:
        shown = keys.change(args.id, Change(**wanted))
    key_pages.page(output, shown)
    output.result("key", shown)
    return 0


def show(args: argparse.Namespace) -> int:
    from doorward.cli import key_pages

    output = Output.of(args)
    with open_keys(args) as keys:
        shown = keys.show(args.id)
    key_pages.page(output, shown)
    output.result("key", shown)
    return 0


def show_all(args: argparse.Namespace) -> int:
    from doorward.cli import key_pages

    output = Output.of(args)
    with open_keys(args) as keys:
        found = keys.list()
    if found:
        key_pages.table(output, found)
    else:
        output.say("no keys; create one: doorward keys create --agent NAME")
    output.result("keys", {"keys": found})
    return 0


def rotate(args: argparse.Namespace) -> int:
    from doorward.cli import key_pages

    output = Output.of(args)
    given = ends(args) if args.overlap is None else {"overlap_s": args.overlap, **ends(args)}
    with open_keys(args) as keys:
        shown = keys.rotate(args.id, **given)
    until = shown["previous_until"]
    old = (
        "its old secret is worth nothing now"
        if until is None
        else f"its old one works until {key_pages.date(until)}"
    )
    output.say(f"key {shown['id']} has a new secret; {old}")
    key_pages.new_secret(output, shown)
    output.result("key", shown)
    return 0


def revoke(args: argparse.Namespace) -> int:
    output = Output.of(args)
    with administration(args) as send:
        shown = wiring.keys(send).revoke(args.id)
        selector = {"key": shown["id"]}
        calls = end_calls(send, selector) if args.now else show_calls(send, selector)
    output.say(f"revoked {shown['id']} of agent {shown['agent']}")
    say_calls(output, calls, ended=args.now)
    output.result("key", {**shown, "calls": calls, "ended": args.now})
    return 0
