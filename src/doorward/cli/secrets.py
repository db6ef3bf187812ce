"""`doorward secrets list|rotate|end|export|import`."""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from doorward.cli import wiring
from doorward.cli.administration import add_token_flag, presented
from doorward.cli.exit import CommandError, Exit
from doorward.cli.key_flags import overlap
from doorward.cli.key_pages import date
from doorward.cli.output import Output
from doorward.cli.parser import Parser, Subparsers, add_command, add_group
from doorward.cli.passphrase import add_passphrase_flag, passphrase
from doorward.cli.refused import refused

PURPOSES: Final = ("checkpoints", "pepper", "digest", "request-state", "tokens", "vault")
MAX_BYTES: Final = 4 << 20


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "secrets", "List, rotate and keep the gateway's own keys")
    add_token_flag(
        add_command(group, "list", "List what there are keys for, and their versions; no key", show)
    )
    rotated = _of_purpose(group, "rotate", "Replace a key; the change is recorded")
    rotated.set_defaults(run=rotate)
    rotated.add_argument("purpose", choices=PURPOSES, help="checkpoints: the key that signs the log")
    rotated.add_argument(
        "--overlap", metavar="30d", type=overlap, help="how long the old version counts: m, h or d, or 0"
    )
    ended = _of_purpose(group, "end", "Let an old version of a key count no longer")
    ended.set_defaults(run=end)
    ended.add_argument("purpose", choices=("pepper", "request-state", "tokens", "vault"))
    ended.add_argument("version", type=int)
    ended.add_argument("--force", action="store_true", help="also when keys that work were made with it")
    exported = _of_purpose(group, "export", "Write all keys into a file, under a passphrase")
    exported.set_defaults(run=export)
    exported.add_argument("--encrypted", action="store_true", help="there is no other way")
    exported.add_argument("--output", metavar="FILE", required=True, help="a new file")
    add_passphrase_flag(exported)
    imported = add_command(group, "import", "Put exported keys where there are none", restore)
    imported.add_argument("file", metavar="FILE")
    add_passphrase_flag(imported)


def _of_purpose(group: Subparsers, name: str, summary: str) -> Parser:
    parser = add_command(group, name, summary, None)
    add_token_flag(parser)
    return parser


def show(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    output, now = Output.of(args), time.time()
    with refused(), wiring.open_secrets(loaded(args), presented(args)) as service:
        found, needed = service.all(), service.needed()
    said = [
        {
            "purpose": each.purpose,
            "versions": [
                {
                    "version": one.number,
                    "created": one.created,
                    "state": _state(one.ends, now, newest=one is each.versions[-1]),
                    "ends": None if one.ends == math.inf else one.ends,
                    "needed": needed.get(one.number, 0) if each.purpose == "pepper" else None,
                }
                for one in each.versions
            ],
        }
        for each in found
    ]
    if said:
        output.table(("PURPOSE", "VERSION", "STATE", "MADE", "ENDS", "NEEDED BY"), list(_rows(said)))
    else:
        output.say("no keys yet; the first start makes them")
    output.result("secrets", {"secrets": said})
    return 0


def _rows(said: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for each in said:
        for one in each["versions"]:
            needed = "" if one["needed"] is None else f"{one['needed']} keys and tokens"
            number = str(one["version"])
            yield each["purpose"], number, one["state"], one["created"], date(one["ends"]), needed


def _state(ends: float, now: float, *, newest: bool) -> str:
    if newest:
        return "in use"
    return "ended" if ends <= now else "old"


def rotate(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    if args.purpose == "checkpoints":
        return _rotate_checkpoints(args)
    output = Output.of(args)
    with refused(), wiring.open_secrets(loaded(args), presented(args)) as service:
        rotated = service.rotate(args.purpose, args.overlap)
    output.say(f"{rotated.purpose} has version {rotated.after} now")
    if rotated.ends is not None:
        output.say(f"older versions count until {date(rotated.ends)}")
    if rotated.needed:
        output.say(f"{rotated.needed} keys and tokens that work need an older version until they are rotated")
    output.result("secret", {name: getattr(rotated, name) for name in rotated.__struct_fields__})
    return 0


def _rotate_checkpoints(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    if args.overlap is not None:
        message = "what an old key has signed is verified with it for as long as the log is kept"
        raise CommandError(Exit.USAGE, f"doorward secrets rotate: {message}", "leave --overlap out")
    output = Output.of(args)
    with refused(), wiring.open_secrets(loaded(args), presented(args)) as service:
        before, after = service.rotate_checkpoints()
    output.say(
        "the audit log is signed with a new key from its next checkpoint on, which has both signatures"
    )
    output.say(f"  before  {before}")
    output.say(f"  now     {after}")
    output.say("give the new one to whoever verifies the log")
    output.result("secret", {"purpose": args.purpose, "before": before, "after": after})
    return 0


def end(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with refused(), wiring.open_secrets(loaded(args), presented(args)) as service:
        service.end(args.purpose, args.version, args.force)
    output.say(f"version {args.version} of {args.purpose} has ended")
    output.result("secret", {"purpose": args.purpose, "ended": args.version})
    return 0


def export(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    if not args.encrypted:
        message = "doorward secrets export: nothing leaves in clear"
        raise CommandError(Exit.USAGE, message, "say so: --encrypted")
    output, path = Output.of(args), Path(args.output)
    document, words = loaded(args), passphrase(args, new=True)
    if path.exists():
        raise CommandError(Exit.USAGE, f"{path} exists", "name a new file")
    with refused(), wiring.open_secrets(document, presented(args)) as service:
        content = service.export(words)
    try:
        wiring.write_private(path, content)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"cannot write {path}: {error.strerror}") from None
    output.say(f"all keys are in {path}; without its passphrase nobody can read it, you neither")
    output.result("export", {"file": str(path)})
    return 0


def restore(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    output, path = Output.of(args), Path(args.file)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"cannot read {path}: {error.strerror}") from None
    try:
        with refused():
            purposes = wiring.restore_secrets(loaded(args), content, passphrase(args, new=False))
    except FileExistsError as error:
        hint = "an import replaces none: stop the gateway and move that file away first"
        raise CommandError(Exit.USAGE, f"there is a key ring already: {error.filename}", hint) from None
    output.say(f"restored the keys for {', '.join(purposes)}")
    output.result("secrets", {"restored": purposes})
    return 0
