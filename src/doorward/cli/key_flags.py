"""Flags of `doorward keys`: what they take, and what a key shall be by them."""

import argparse
import re
import time
from typing import Any, Final

from doorward.cli.exit import CommandError, Exit
from doorward.cli.parser import Parser

NEVER: Final = "never"
NO_BUDGETS: Final = "--budget cannot be kept yet: nothing here counts what a call costs"
_DAYS: Final = {"h": 1 / 24, "d": 1, "w": 7, "y": 365}
_LONGEST_DAYS: Final = 100 * 365
_OVERLAP: Final = re.compile(r"0|([1-9][0-9]{0,4})([mhd])")
_SECONDS: Final = {"m": 60.0, "h": 3600.0, "d": 86400.0}


def add_limits(parser: Parser) -> None:
    """Whatever a key can narrow."""
    parser.add_argument(
        "--servers", metavar="GLOB,..", action="append", type=words, help="servers it may reach; '*' for all"
    )
    parser.add_argument(
        "--tools",
        metavar="GLOB,..",
        action="append",
        type=words,
        help="tools it may call: GLOB, or SERVER/GLOB; '*' for all",
    )
    parser.add_argument(
        "--read-only", action=argparse.BooleanOptionalAction, help="only tools that change nothing"
    )
    parser.add_argument("--rate", metavar="100/min", help="calls per s, min, h or d; none for no limit")
    parser.add_argument("--budget", metavar="500USD/month", type=no_budget, help=argparse.SUPPRESS)
    parser.add_argument(
        "--networks",
        metavar="CIDR,..",
        action="append",
        type=words,
        help="networks it may be presented from; any for all",
    )


def words(text: str) -> list[str]:
    """Parts between commas."""
    found = [word.strip() for word in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError("expected words with commas between them")
    return found


def no_budget(_text: str) -> None:
    """A limit that is not kept must not look like one that is. Raises CommandError(USAGE)."""
    raise CommandError(Exit.USAGE, NO_BUDGETS, "leave it out; --rate limits how often a key may call")


def expiry(text: str) -> float | str:
    """Seconds of `12h`, `90d`, `4w`, `1y`; NEVER."""
    if text == NEVER:
        return NEVER
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdwy])", text)
    if found is None:
        raise argparse.ArgumentTypeError("expected a lifetime such as 12h, 90d, 4w or 1y, or never")
    days = int(found[1]) * _DAYS[found[2]]
    if days > _LONGEST_DAYS:  # dates end with the year 9999, and no key should see that
        raise argparse.ArgumentTypeError("a key lives 100 years at most, or never ends: --expires never")
    return days * 86400.0


def overlap(text: str) -> float:
    """Seconds of `24h`, `30m`, `2d`; 0."""
    found = _OVERLAP.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("expected a time such as 24h, 30m or 2d, or 0")
    return float(found[1]) * _SECONDS[found[2]] if found[1] else 0.0


def limits(args: argparse.Namespace) -> dict[str, Any]:
    """Members of `control.keys.Wanted` and `Change`: only those that the flags name."""
    found: dict[str, Any] = {}
    for name in ("servers", "tools", "networks"):
        given: list[list[str]] | None = getattr(args, name)
        if given is not None:
            found[name] = tuple(word for each in given for word in each)
    if found.get("networks") == ("any",):
        found["networks"] = None
    if args.read_only is not None:
        found["read_only"] = args.read_only
    if args.rate is not None:
        found["rate"] = None if args.rate == "none" else args.rate
    return found | ends(args)


def ends(args: argparse.Namespace) -> dict[str, float | None]:
    """`expires_at`, in seconds since 1970, where --expires says it."""
    if args.expires is None:
        return {}
    return {"expires_at": None if args.expires == NEVER else time.time() + args.expires}
