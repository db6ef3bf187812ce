"""`doorward keys create|list|revoke`."""

import argparse
import re
import time
from datetime import UTC, datetime
from typing import Any, Final

from doorward.cli import wiring
from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, add_group

_DAYS: Final = {"h": 1 / 24, "d": 1, "w": 7, "y": 365}
_LONGEST_DAYS: Final = 100 * 365


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "keys", "Create, list and revoke virtual keys")
    create_parser = add_command(group, "create", "Create a key for an agent; it is shown once", create)
    create_parser.add_argument("--agent", required=True, help="name under agents: in the configuration")
    create_parser.add_argument("--name", help="what to call it (default: the agent's name)")
    create_parser.add_argument("--test", action="store_true", help="a dw_test_ key instead of a dw_live_ one")
    create_parser.add_argument("--expires", metavar="90d", type=_expiry, help="lifetime in h, d, w or y")
    add_command(group, "list", "List keys, without their secrets", show)
    revoke_parser = add_command(group, "revoke", "Revoke a key for good", revoke)
    revoke_parser.add_argument("id", help="the key's id, as keys list shows it")


def create(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded
    from doorward.config.errors import did_you_mean

    document, output = loaded(args), Output.of(args)
    if args.agent not in document.settings.agents:
        hint = did_you_mean(args.agent, document.settings.agents) or "add it to the configuration first"
        raise CommandError(Exit.USAGE, f'no agent is named "{args.agent}" in {document.path}', hint)
    expires_at = None if args.expires is None else time.time() + args.expires
    environment = "test" if args.test else "live"
    with wiring.open_keys(document) as keys:
        record, text = keys.create(args.agent, args.name or args.agent, environment, expires_at)
    output.say(f"key {record.id} for agent {record.agent}, expires {_date(record.expires_at)}")
    output.say("It is shown this once; send it as Authorization: Bearer")
    output.say()
    output.say("<the key is in the JSON object>" if output.as_json else f"  {text}")
    output.result("key", {**_public(record), "key": text})
    return 0


def show(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with wiring.open_keys(loaded(args)) as keys:
        records = list(keys.list())
    now = time.time()
    if records:
        rows = [(r.id, r.agent, r.name, r.environment, _state(r, now), _date(r.expires_at)) for r in records]
        output.table(("ID", "AGENT", "NAME", "KIND", "STATE", "EXPIRES"), rows)
    else:
        output.say("no keys; create one: doorward keys create --agent NAME")
    output.result("keys", {"keys": [_public(record) | {"state": _state(record, now)} for record in records]})
    return 0


def revoke(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with wiring.open_keys(loaded(args)) as keys:
        if not keys.revoke(args.id):
            raise CommandError(
                Exit.USAGE, f'there is no live key "{args.id}"', "doorward keys list shows them"
            )
    output.say(f"revoked {args.id}")
    output.result("key", {"id": args.id, "state": "revoked"})
    return 0


def _expiry(text: str) -> float:
    """Seconds of `12h`, `90d`, `4w`, `1y`."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdwy])", text)
    if found is None:
        raise argparse.ArgumentTypeError("expected a lifetime such as 12h, 90d, 4w or 1y")
    days = int(found[1]) * _DAYS[found[2]]
    if days > _LONGEST_DAYS:  # dates end with the year 9999, and no key should see that
        raise argparse.ArgumentTypeError(
            "a key lives 100 years at most; leave --expires out for one without end"
        )
    return days * 86400.0


def _public(record: wiring.KeyRow) -> dict[str, Any]:
    return {
        "id": record.id,
        "agent": record.agent,
        "name": record.name,
        "environment": record.environment,
        "created_at": record.created_at,
        "created_by": record.created_by,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
    }


def _state(record: wiring.KeyRow, now: float) -> str:
    if record.revoked_at is not None:
        return "revoked"
    return "expired" if record.expires_at is not None and record.expires_at <= now else "live"


def _date(at: float | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
