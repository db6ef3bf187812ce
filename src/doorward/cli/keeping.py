"""`doorward audit prune|hold|release`: what the log may let go of, and what it must not."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from doorward.cli import wiring
from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output, printable
from doorward.cli.parser import Subparsers, add_command
from doorward.model.errors import GatewayError


def add_commands(group: Subparsers) -> None:
    """To `doorward audit`."""
    summary = "Take out what audit.keep no longer keeps; a running gateway does so by itself"
    parser = add_command(group, "prune", summary, prune)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be taken out")
    parser = add_command(group, "hold", "Keep everything from here on, whatever audit.keep says", hold)
    parser.add_argument("--reason", default="", help="stands in the record of it")
    parser = add_command(group, "release", "End a hold; what is due is taken out again", release)
    parser.add_argument("--reason", default="", help="stands in the record of it")


def prune(args: argparse.Namespace) -> int:
    """Exit code 12 for segments that are not what was sealed; they stay as they are."""
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with _readable():
        outcome = wiring.audit_prune(loaded(args), dry_run=args.dry_run)
    if outcome.due:
        header = ("SEGMENT", "FROM", "TO", "RECORDS", "BYTES", "TAKES OUT")
        output.table(header, [_row(each) for each in outcome.due])
    for line in _said(outcome, dry_run=args.dry_run):
        output.say(printable(line))
    members = {
        "due": [_members(each) for each in outcome.due],
        "pruned": outcome.done,
        "held": _held(outcome.held),
        "gateway": outcome.gateway,
        "troubles": outcome.troubles,
    }
    output.result("audit.prune", members)
    return Exit.INTEGRITY if outcome.troubles else Exit.OK


def hold(args: argparse.Namespace) -> int:
    """Again while it is held: with another reason."""
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with _readable():
        wiring.audit_hold(loaded(args), args.reason)
    output.say("held: nothing is taken out of the audit log until doorward audit release")
    output.result("audit.hold", {"held": True, "reason": args.reason})
    return 0


def release(args: argparse.Namespace) -> int:
    """Exit code 0 too when nothing was held."""
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with _readable():
        held = wiring.audit_release(loaded(args), args.reason)
    if held is None:
        output.say("nothing was held")
    else:
        output.say(printable(f"released: it was held {_by(held)}"))
    output.result("audit.hold", {"held": False, "was": _held(held)})
    return 0


def _said(outcome: wiring.Prunings, *, dry_run: bool) -> Iterator[str]:
    if outcome.held is not None:
        yield f"nothing is taken out: held {_by(outcome.held)}"
    elif outcome.gateway is not None and outcome.due and not dry_run:
        yield f"nothing was taken out here: {outcome.gateway} does so within minutes"
    elif not outcome.due:
        yield "nothing is older than audit.keep"
    elif not dry_run:
        records = sum(each["records"] - each["kept"] for each in outcome.done)
        yield f"{records} records were taken out of {len(outcome.done)} segments; their hashes stay"
    for each in outcome.troubles:
        yield f"left as it is: {each}"


def _row(row: wiring.PruneRow) -> tuple[str, ...]:
    since, until = _day(row.since), _day(row.until)
    return (row.segment, since, until, str(row.records), str(row.bytes), ", ".join(row.classes))


def _members(row: wiring.PruneRow) -> dict[str, Any]:
    return {
        "segment": row.segment,
        "since": row.since,
        "until": row.until,
        "records": row.records,
        "bytes": row.bytes,
        "classes": list(row.classes),
    }


def _by(held: wiring.Held) -> str:
    since = "" if not held.at else f"since {_day(held.at)} "
    reason = f": {held.reason}" if held.reason else ""
    return f"{since}by {held.by or 'somebody'}{reason}"


def _held(held: wiring.Held | None) -> dict[str, Any] | None:
    return None if held is None else {"at": held.at, "by": held.by, "reason": held.reason}


def _day(ts: int) -> str:
    try:
        return datetime.fromtimestamp(ts / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return "?"


@contextmanager
def _readable() -> Iterator[None]:
    """Of a log that its own gateway would refuse to go on with: exit code 12."""
    try:
        yield
    except GatewayError as error:
        if error.reason.value.startswith("audit_"):
            raise CommandError(Exit.INTEGRITY, error.message) from None
        raise
    except ValueError as error:
        raise CommandError(Exit.INTEGRITY, f"the log is damaged: {error}") from None
    except OSError as error:
        raise CommandError(Exit.USAGE, f"the log cannot be read: {error}") from None
