"""`doorward secrets list|rotate`."""

import argparse

from doorward.cli import wiring
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, add_group


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "secrets", "List and rotate the gateway's own keys")
    add_command(group, "list", "List what there are keys for, and their versions; never a key", show)
    rotate_parser = add_command(group, "rotate", "Replace a key; the change is recorded", rotate)
    rotate_parser.add_argument(
        "purpose", choices=("checkpoints",), help="checkpoints: the key that signs the log"
    )


def show(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with wiring.open_secrets(loaded(args)) as service:
        found = list(service.all())
    if found:
        rows = [(each.purpose, str(len(each.versions)), each.versions[-1].created) for each in found]
        output.table(("PURPOSE", "VERSIONS", "NEWEST SINCE"), rows)
    else:
        output.say("no keys yet; each is made when it is first needed")
    output.result(
        "secrets",
        {
            "secrets": [
                {
                    "purpose": each.purpose,
                    "versions": [{"version": one.number, "created": one.created} for one in each.versions],
                }
                for each in found
            ]
        },
    )
    return 0


def rotate(args: argparse.Namespace) -> int:
    from doorward.cli.settings import loaded

    output = Output.of(args)
    with wiring.open_secrets(loaded(args)) as service:
        before, after = service.rotate_checkpoints()
    output.say(
        "the audit log is signed with a new key from its next checkpoint on, which has both signatures"
    )
    output.say(f"  before  {before}")
    output.say(f"  now     {after}")
    output.say("give the new one to whoever verifies the log")
    output.result("secret", {"purpose": args.purpose, "before": before, "after": after})
    return 0
