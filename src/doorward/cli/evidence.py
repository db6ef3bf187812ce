"""`doorward audit verify|prove|verify-receipt|keys`: what somebody who does not trust us can check."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from doorward.cli import wiring
from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output, printable
from doorward.cli.parser import Subparsers, add_command
from doorward.model.errors import GatewayError


def add_commands(group: Subparsers) -> None:
    """To `doorward audit`."""
    parser = add_command(group, "verify", "Check that nothing in a log was changed, removed or added", verify)
    parser.add_argument("directory", nargs="?", type=Path, help="the log (default: the configuration's)")
    _add_keys(parser)
    parser.add_argument("--anchor", action="append", default=[], type=Path, help="checkpoints kept elsewhere")
    parser.add_argument("--excerpt", action="store_true", help="part of a log, as a pack holds it")
    parser = add_command(group, "prove", "Write the receipt of one record", prove)
    parser.add_argument("id", help="of a call or record, as audit tail shows it")
    parser.add_argument("-o", "--output", type=Path, help="file to write it to (default: stdout)")
    parser = add_command(group, "verify-receipt", "Check a receipt, with nothing but the log's key", receipt)
    parser.add_argument("file", type=Path, help="the receipt")
    _add_keys(parser)
    parser = add_command(group, "pack", "Write everything of a period that an auditor needs", pack)
    parser.add_argument(
        "--period", required=True, help="2026q3, Q3 (the latest), 2026-07, 2026-07..2026-09, 2026"
    )
    parser.add_argument("-o", "--output", type=Path, help="zip file (default: doorward-audit-PERIOD.zip)")
    add_command(group, "keys", "Show the keys with which others can verify this log", keys)


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", action="append", default=[], help="a verifier key that you trust")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="a file of verifier keys, one a line")


def verify(args: argparse.Namespace) -> int:
    """Exit code 0 for a sound log, 12 for another one, 2 for what is no log."""
    output = Output.of(args)
    directory, anchors = args.directory, list(args.anchor)
    if directory is None:
        from doorward.cli.settings import loaded

        with _readable():
            directory, found = wiring.audit_log(loaded(args))
        anchors += found
    trusted = _trusted(args)
    try:
        verdict, members, lines = wiring.verify_log(directory, trusted, anchors, excerpt=args.excerpt)
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from None
    for line in lines:
        output.say(printable(line))
    output.result("audit.report", {"directory": str(directory), **members, "sound": verdict.sound})
    return verdict.exit_status


def prove(args: argparse.Namespace) -> int:
    """Waits for the next checkpoint when the record is younger than the last one."""
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with _readable():
        made = wiring.audit_prove(loaded(args), args.id)
    if args.output is not None:
        args.output.write_text(made.text, "utf-8")
        output.say(f"receipt of record {made.number}, one of {made.size}, in {args.output}")
    elif not output.as_json:
        print(made.text, end="")
    output.result("audit.receipt", {"number": made.number, "size": made.size, "receipt": made.text})
    return 0


def receipt(args: argparse.Namespace) -> int:
    """Exit code 0 when it proves its record, 12 when it does not, 2 when it cannot be judged."""
    output, trusted = Output.of(args), _trusted(args)
    if not trusted:
        hint = "doorward audit keys shows it to whoever runs the gateway"
        raise CommandError(
            Exit.USAGE, "a receipt proves as much as its key does: give the log's with --key", hint
        )
    try:
        found = wiring.verify_receipt(args.file, trusted)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{args.file} cannot be read: {error}") from None
    except ValueError as error:
        from doorward.app.verification import KeyInvalid

        if isinstance(error, KeyInvalid):
            raise CommandError(Exit.USAGE, str(error)) from None
        raise CommandError(Exit.INTEGRITY, f"{args.file} does not prove anything: {error}") from None
    record = found.record.decode("utf-8", "replace")
    output.say(f"sound: this is record {found.number} of {found.origin}")
    output.say(printable(record))
    shown = {"number": found.number, "origin": found.origin, "record": json.loads(record)}
    output.result("audit.proven", shown)
    return 0


def keys(args: argparse.Namespace) -> int:
    """Oldest first; the last one signs now."""
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with _readable():
        found = wiring.audit_keys(loaded(args))
    if not found:
        raise CommandError(Exit.USAGE, "this log has no keys yet", "they are made when a gateway first runs")
    for key in found:
        output.say(key)
    output.result("audit.keys", {"keys": found})
    return 0


def pack(args: argparse.Namespace) -> int:
    """Never replaces a file."""
    from doorward.cli.period import period_of
    from doorward.cli.settings import loaded

    output = Output.of(args)
    try:
        name, start, end = period_of(args.period, datetime.now(UTC))
    except ValueError as error:
        raise CommandError(
            Exit.USAGE, f"--period: {error}", "for example 2026q3 or 2026-07..2026-09"
        ) from None
    file = args.output or Path(f"doorward-audit-{name}.zip")
    document = loaded(args)
    if file.exists():
        raise CommandError(Exit.USAGE, f"{file} exists already", "give another name with --output")
    with _readable():
        packed = wiring.audit_pack(document, name, start, end, file)
    output.say(f"{packed.records} records and {packed.changes} changes of {name} in {file}")
    if packed.missing:
        output.say(f"configurations whose text was not kept: {', '.join(packed.missing)}")
    output.say("verify it with: python verify.py --pack . --key KEY (doorward audit keys shows the key)")
    members = {
        "first": packed.first,
        "records": packed.records,
        "size": packed.size,
        "missing": packed.missing,
    }
    output.result("audit.pack", {"file": str(file), "period": name, **members})
    return 0


def _trusted(args: argparse.Namespace) -> list[str]:
    """Keys as they were given: themselves, or a file of them."""
    try:
        lines = [] if args.keys is None else args.keys.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CommandError(Exit.USAGE, f"{args.keys} cannot be read: {error}") from None
    return [*args.key, *(line.strip() for line in lines if line.strip())]


@contextmanager
def _readable() -> Iterator[None]:
    """Of a log that its own gateway would refuse to go on with: exit code 12."""
    try:
        yield
    except LookupError as error:
        raise CommandError(Exit.USAGE, str(error)) from None
    except TimeoutError as error:
        raise CommandError(Exit.USAGE, str(error), "try again in ten seconds, or start the gateway") from None
    except GatewayError as error:
        raise CommandError(Exit.INTEGRITY, error.message) from None
    except ValueError as error:
        raise CommandError(Exit.INTEGRITY, f"the log is damaged: {error}") from None
    except OSError as error:
        raise CommandError(Exit.USAGE, f"the log cannot be read: {error}") from None
