"""`doorward audit tail`: the audit log, as it grows."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from doorward.cli import wiring
from doorward.cli.output import Output, printable
from doorward.cli.parser import Subparsers, add_command, add_group


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "audit", "Read the audit log")
    parser = add_command(
        group, "tail", "Show the last records; --json prints them as they are, one a line", run
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on as records are written")
    parser.add_argument("-n", "--count", type=_count, default=20, help="how many to start with (default: 20)")


def run(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    output = Output.of(args)
    for record in wiring.audit_tail(loaded(args), args.follow, args.count):
        if output.as_json:
            print(record.decode(), flush=True)
        else:
            print(line(json.loads(record)), flush=args.follow)
    return 0


def line(record: dict[str, Any]) -> str:
    """A record in one line: when, what, then every scalar member that is there, in the record's own order."""
    at = record.get("at", record.get("time"))
    when = (
        datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
        if isinstance(at, int | float)
        else str(at or "-")
    )
    event = record.get("event", record.get("type", "record"))
    shown = {"at", "time", "event", "type", "schema"}
    rest = [
        f"{name}={_value(value)}" for name, value in record.items() if name not in shown and value is not None
    ]
    return printable(" ".join([when, str(event), *rest]))


def _value(value: Any) -> str:
    if isinstance(value, str) and value and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("expected a number")
    return int(text)
