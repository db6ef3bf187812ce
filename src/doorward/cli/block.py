"""`doorward block`, `doorward unblock` and `doorward blocks list`."""

import argparse
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from doorward.cli.administration import add_token_flag, administration
from doorward.cli.exit import CommandError, Exit
from doorward.cli.flights import end_calls, say_calls, show_calls
from doorward.cli.key_pages import moment
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, add_group

if TYPE_CHECKING:
    from doorward.app.admin.send import Send

KINDS: Final = ("server", "agent", "key", "user", "client", "jti", "sid")
WHAT: Final = "KIND:NAME"
_HELP: Final = (
    "server:NAME, agent:NAME, key:ID, user:SUBJECT, client:ID, jti:TOKEN or sid:LOGIN; the last four may end "
    "with @ISSUER, an https URL, and mean any issuer's without it"
)
_ID: Final = re.compile(r"bl_[0-9A-Za-z]{12}")
_ISSUED: Final = re.compile(r"(.+)@(https?://.+)", re.DOTALL)
_TTL: Final = re.compile(r"([1-9][0-9]{0,6})([smhdw])")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_PAGE: Final = "1000"


def add_parser(subparsers: Subparsers) -> None:
    new = add_command(subparsers, "block", "Block a server, agent, key, user, client or login", block)
    add_token_flag(new)
    new.add_argument("what", metavar=WHAT, type=named, help=_HELP)
    new.add_argument("--ttl", metavar="1h", type=ttl, help="how long: s, m, h, d or w (default: for good)")
    new.add_argument("--reason", default="", help="why, for the record")
    new.add_argument("--now", action="store_true", help="also end the calls that are in flight")
    lift = add_command(subparsers, "unblock", "Lift a block", unblock)
    add_token_flag(lift)
    lift.add_argument("what", metavar="ID", help=f"a block's id, or {WHAT} for all blocks of that")
    group = add_group(subparsers, "blocks", "List blocks")
    shown = add_command(group, "list", "List blocks in force", show_all)
    add_token_flag(shown)
    shown.add_argument("--all", action="store_true", help="also those that were lifted or have ended")


def named(text: str) -> dict[str, str | None]:
    """`kind`, `value` and `issuer` of KIND:NAME[@ISSUER]. Raises argparse.ArgumentTypeError."""
    kind, colon, value = text.partition(":")
    if not colon or kind not in KINDS or not value:
        raise argparse.ArgumentTypeError(f"expected {WHAT}, with one of {', '.join(KINDS)}")
    issued = _ISSUED.fullmatch(value) if kind in KINDS[3:] else None
    if issued is None:
        return {"kind": kind, "value": _key_id(value) if kind == "key" else value, "issuer": None}
    return {"kind": kind, "value": issued[1], "issuer": issued[2]}


def ttl(text: str) -> float:
    """Seconds of `30m`, `1h`, `2d`. Raises argparse.ArgumentTypeError."""
    found = _TTL.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("expected a time such as 30s, 15m, 1h, 2d or 1w")
    return float(found[1]) * _SECONDS[found[2]]


def block(args: argparse.Namespace) -> int:
    output, what = Output.of(args), args.what
    ends = None if args.ttl is None else time.time() + args.ttl
    with administration(args) as send:
        said = send("POST", "/blocks", {**what, "reason": args.reason, "expires_at": ends})
        output.say(f"blocked {_words(said)} {_until(said)}; lift it: doorward unblock {said['id']}")
        selector = {name: value for name, value in _selector(what).items() if value is not None}
        calls = end_calls(send, selector) if args.now else show_calls(send, selector)
    agents = sorted({*said["agents"], *(call["agent"] for call in calls or ())})
    output.say(f"agents affected: {', '.join(agents) or 'none that is known'}")
    say_calls(output, calls, ended=args.now)
    output.result("block", {**said, "agents": agents, "calls": calls, "ended": args.now})
    return 0


def unblock(args: argparse.Namespace) -> int:
    output = Output.of(args)
    with administration(args) as send:
        ids = [args.what] if _ID.fullmatch(args.what) else _ids_of(send, args.what)
        lifted = [send("DELETE", f"/blocks/{one}") for one in ids]
    for one in lifted:
        output.say(f"lifted {one['id']}: {_words(one)} is not blocked by it any more")
    output.result("blocks", {"blocks": lifted})
    return 0


def show_all(args: argparse.Namespace) -> int:
    output = Output.of(args)
    with administration(args) as send:
        found = _listed(send, {"all": "true"} if args.all else {})
    if found:
        rows = [
            (
                one["id"],
                _words(one),
                _state(one),
                moment(one["expires_at"]),
                one["created_by"],
                one["reason"],
            )
            for one in found
        ]
        output.table(("ID", "WHAT", "STATE", "ENDS", "BY", "REASON"), rows)
    else:
        output.say("no blocks")
    output.result("blocks", {"blocks": found})
    return 0


def _key_id(text: str) -> str:
    from doorward.control.keys import id_of

    return id_of(text)


def _selector(what: Mapping[str, str | None]) -> dict[str, str | None]:
    return {str(what["kind"]): what["value"], "issuer": what["issuer"]}


def _ids_of(send: "Send", text: str) -> list[str]:
    try:
        what = named(text)
    except argparse.ArgumentTypeError as error:
        message = f"doorward unblock: no block's id, and {error}"
        raise CommandError(Exit.USAGE, message, "doorward blocks list shows them") from None
    found = [one["id"] for one in _listed(send, {}) if all(one[name] == what[name] for name in what)]
    if not found:
        message = f"doorward unblock: nothing blocks {text}"
        raise CommandError(Exit.USAGE, message, "doorward blocks list shows what is blocked")
    return found


def _listed(send: "Send", query: Mapping[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    asked = {"limit": _PAGE, **query}
    while True:
        said = send("GET", "/blocks", query=asked)
        found += said["blocks"]
        if said["cursor"] is None:
            return found
        asked["cursor"] = said["cursor"]


def _words(block: Mapping[str, Any]) -> str:
    whose = "" if block["issuer"] is None else f"@{block['issuer']}"
    return f"{block['kind']}:{block['value']}{whose}"


def _until(block: Mapping[str, Any]) -> str:
    return "for good" if block["expires_at"] is None else f"until {moment(block['expires_at'])}"


def _state(block: Mapping[str, Any]) -> str:
    if block["in_force"]:
        return "in force"
    return "ended" if block["lifted_at"] is None else "lifted"
