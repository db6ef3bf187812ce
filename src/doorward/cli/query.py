"""`doorward audit query|show|export`: who did what, and what came of it (docs/reference/audit-cli.md)."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from doorward.cli import asking
from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output, printable
from doorward.cli.parser import Subparsers, add_command
from doorward.model.errors import GatewayError

if TYPE_CHECKING:
    from doorward.app.queries import Place, Wanted

LIMIT: Final = 100
_CHUNK: Final = 200
"""Rows whose columns are made equally wide."""
_HEADER: Final = ("TIME", "STATUS", "AGENT", "WHAT", "WHY", "MS", "ID")


def add_commands(group: Subparsers) -> None:
    """To `doorward audit`."""
    parser = add_command(
        group, "query", "Find calls and other records: 'tool=crm.* actor=alice since=90d'", query
    )
    add_filter(parser)
    parser.add_argument(
        "--limit", type=_number, default=LIMIT, help=f"at most so many (default: {LIMIT}; 0: all)"
    )
    parser.add_argument("--order", choices=("newest", "oldest"), default="newest", help="which come first")
    parser.add_argument("--count", action="store_true", help="only say how many there are")
    parser.add_argument(
        "--format", choices=("table", *asking.FORMS[1:]), default="table", help="default: table"
    )
    parser = add_command(group, "show", "Show everything that is known of one call or record", show)
    parser.add_argument("id", help="of a call or record, or the beginning of one")
    _add_log(parser)
    parser = add_command(group, "export", "Write records for other programs, in the order of the log", export)
    add_filter(parser)
    parser.add_argument(
        "--format", choices=asking.FORMS, default="json", help="default: json, the records as written"
    )
    parser.add_argument("-o", "--output", type=Path, help="file to write to (default: stdout)")


def add_filter(parser: argparse.ArgumentParser) -> None:
    """The filter, its two times as options, and where the log lies."""
    parser.add_argument("filter", nargs="*", help="conditions, as in 'tool=crm.* decision!=permit since=7d'")
    parser.add_argument("--since", metavar="TIME", help="90d, 12h, 2026-07-01 or 2026-07-01T12:00:00Z")
    parser.add_argument("--until", metavar="TIME", help="the first moment that is not meant any more")
    _add_log(parser)


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log", type=Path, metavar="DIR", help="a log elsewhere, as in a pack (indexed each time)"
    )


def query(args: argparse.Namespace) -> int:
    """Exit code 0 also when nothing is found, 12 when lines of the log are no records."""
    output, wanted, where = Output.of(args), filter_of(args), _place(args)
    with readable():
        if args.count:
            found = asking.count(where, wanted)
            said = f" for {found.requests} requests" if found.requests != found.entries else ""
            output.say(f"{found.entries}{said}")
            counted = {"entries": found.entries, "requests": found.requests, "damaged": found.damaged}
            output.result("audit.count", counted)
            return verdict(found.damaged)
        limit, newest = args.limit or None, args.order == "newest"
        if args.format != "table":
            _write(asking.export(where, wanted, args.format, limit=limit, newest=newest), sys.stdout)
            return 0
        answer = asking.query(where, wanted, limit=limit, newest=newest)
    if output.as_json:
        members = {"entries": answer.entries, "more": answer.more, "damaged": answer.damaged}
        output.result("audit.query", members)
    else:
        _table(output, answer)
    return verdict(answer.damaged)


def _table(output: Output, answer: asking.Answer) -> None:
    rows = [_row(entry) for entry in answer.entries]
    for start in range(0, len(rows), _CHUNK):
        output.table(_HEADER, rows[start : start + _CHUNK])
    if not rows:
        output.say("nothing found")
    elif answer.more:
        output.say(f"there are more than these {len(rows)}: see --limit and --count")


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    target = ".".join(str(entry[part]) for part in ("server", "name") if part in entry)
    method = str(entry.get("method", ""))
    what = target or method or " ".join(str(entry[part]) for part in ("action", "object") if part in entry)
    agent = str(entry.get("agent") or entry.get("actor") or entry.get("peer") or "-")
    requests = f" x{entry['requests']}" if entry.get("requests", 1) != 1 else ""
    status = str(entry.get("status", entry["kind"]))
    latency = f"{entry['latency_ms']:.1f}" if "latency_ms" in entry else ""
    why = str(entry.get("reason") or entry.get("rule") or "")
    when = str(entry["timestamp"]).replace("T", " ").removesuffix("Z")
    cells = (when, status + requests, agent, what or "-", why, latency, str(entry["call"]))
    return tuple(cell.replace("\n", " ") for cell in cells)


def show(args: argparse.Namespace) -> int:
    """Exit code 2 for an id that no record has."""
    output, where = Output.of(args), _place(args)
    with readable():
        told = asking.show(where, args.id)
    for number, record in told.records:
        output.say(
            output.style("bold", f"{printable(str(record.get('kind', '?')))}, record {number} of the log")
        )
        for name, value in _flat(record):
            when = f" ({_time(value)})" if name == "ts" else ""
            output.say(f"  {name:<26} {value}{when}")
    if told.configured is not None:
        output.say(output.style("bold", "configured by"))
        output.say(f"  {_sentence(told.configured)}")
    if told.during:
        output.say(output.style("bold", "together with"))
        for each in told.during:
            output.say(f"  {_sentence(each)}")
    members = {
        "call": told.entry,
        "records": [{"number": number, "record": record} for number, record in told.records],
        "during": told.during,
        "configured": told.configured,
    }
    output.result("audit.call", members)
    return 0


def _time(milliseconds: str) -> str:
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return "no time"


def _sentence(entry: Mapping[str, Any]) -> str:
    return printable("  ".join(word for word in _row(entry) if word))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Members of members, by their path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and not all(isinstance(each, str | int) for each in value):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{name}[{number}]")
    else:
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield printable(name).replace("\n", " "), printable(shown).replace("\n", " ")


def export(args: argparse.Namespace) -> int:
    """Streams, never into a file that is there. Exit code 12, at the end, when lines are no records."""
    wanted, where = filter_of(args), _place(args)
    output = Output.of(args)
    with readable(), _target(args.output) as file:
        lines = _write(asking.export(where, wanted, args.format), file)
    if args.output is not None:
        output.say(f"{lines} lines in {args.output}")
        output.result("audit.export", {"file": str(args.output), "format": args.format, "lines": lines})
    return 0


def _write(lines: Iterator[str], file: TextIO) -> int:
    """How many there were. Raises CommandError after the last one of a damaged log."""
    number = 0
    try:
        for line in lines:
            file.write(line + "\n")
            number += 1
    except UnicodeEncodeError:  # of a terminal that is not in UTF-8
        raise
    except ValueError as error:
        file.flush()
        raise CommandError(Exit.INTEGRITY, str(error), "doorward audit verify says which") from None
    return number


@contextmanager
def _target(path: Path | None) -> Iterator[TextIO]:
    """A new file of its owner's, removed when it does not become whole."""
    if path is None:
        yield sys.stdout
        return
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(Exit.USAGE, f"{path} exists already", "give another name with --output") from None
    with open(fd, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - takes over the descriptor
        try:
            yield file
        except CommandError:  # all that can be read is in it
            raise
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def filter_of(args: argparse.Namespace) -> "Wanted":
    """What the words of a command ask for. Raises CommandError."""
    times = [
        f"{name}={shlex.quote(value)}" for name in ("since", "until") if (value := getattr(args, name, None))
    ]
    try:
        return asking.parsed(" ".join((*args.filter, *times)), time.time())
    except ValueError as error:
        hint = "for example 'tool=crm.* actor=alice since=90d decision=deny'"
        raise CommandError(Exit.USAGE, f"doorward audit: {error}", hint) from None


def _place(args: argparse.Namespace) -> "Place":
    if args.log is not None:
        return asking.place_at(args.log)
    from doorward.cli.settings import loaded

    return asking.place(loaded(args))


def verdict(damaged: int) -> int:
    """The exit code, once all has been said."""
    if damaged:
        print(f"{damaged} lines of the log are no records: doorward audit verify says which", file=sys.stderr)
        return Exit.INTEGRITY
    return Exit.OK


@contextmanager
def readable() -> Iterator[None]:
    """Of a log that cannot be read as one: exit code 12, and 2 for one that is not there."""
    try:
        yield
    except LookupError as error:
        raise CommandError(Exit.USAGE, str(error)) from None
    except GatewayError as error:
        raise CommandError(Exit.INTEGRITY, error.message) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(Exit.USAGE, f"the log cannot be read: {error}") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError("expected a number")
    return int(text)
