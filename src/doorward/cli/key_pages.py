"""How keys are shown to people: what `doorward keys` prints of the objects that programs get."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from doorward.cli.output import Output


def new_secret(output: Output, shown: Mapping[str, Any]) -> None:
    """The one time that it is shown."""
    output.say("It is shown this once; send it as Authorization: Bearer")
    output.say()
    output.say("<the key is in the JSON object>" if output.as_json else f"  {shown['key']}")


def page(output: Output, shown: Mapping[str, Any]) -> None:
    """Everything about one key."""
    left = shown["effective"]
    output.say(f"key {shown['id']} ({shown['name']}) for agent {shown['agent']}: {_state(shown)}")
    output.say(f"made {date(shown['created_at'])} by {shown['created_by']}, {_used(shown)}")
    if shown["previous_until"] is not None:
        output.say(f"its secret before the last rotation works until {date(shown['previous_until'])}")
    output.say()
    output.say(f"servers    {_words(left['servers'])}")
    output.say(f"may        {_may(shown)}")
    output.say(f"rate       {left['rate'] or 'no limit'}")
    output.say(f"from       {_words(left['networks']) if left['networks'] is not None else 'anywhere'}")
    output.say(f"expires    {date(left['expires_at'])}")
    output.say()
    rows = [(each["what"], _value(each), each["of"], each["at"] or "") for each in shown["limits"]]
    output.table(("LIMIT", "VALUE", "FROM", "AT"), rows)


def table(output: Output, keys: Sequence[Mapping[str, Any]]) -> None:
    """All keys."""
    rows = [
        (
            each["id"],
            each["agent"],
            each["name"],
            each["environment"],
            each["state"],
            date(each["effective"]["expires_at"]),
            date(each["last_used_at"]),
        )
        for each in keys
    ]
    output.table(("ID", "AGENT", "NAME", "KIND", "STATE", "EXPIRES", "LAST USED"), rows)


def date(at: float | None) -> str:
    """Of seconds since 1970."""
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def moment(at: float | None) -> str:
    """The same to the second: of what may last no longer than a few."""
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _may(shown: Mapping[str, Any]) -> str:
    grants = "read" if shown["effective"]["read_only"] else "whatever its grants allow"
    return grants if shown["tools"] is None else f"{grants}, of tools named {', '.join(shown['tools'])}"


def _state(shown: Mapping[str, Any]) -> str:
    return f"{shown['state']}, {shown['cause']}" if shown["cause"] else str(shown["state"])


def _used(shown: Mapping[str, Any]) -> str:
    at = shown["last_used_at"]
    return "never used" if at is None else f"last used {date(at)}"


def _words(values: Sequence[str]) -> str:
    return ", ".join(values) or "nothing"


def _value(limit: Mapping[str, Any]) -> str:
    value = limit["value"]
    if limit["what"] == "expires":
        return date(value)
    if value is True:
        return "yes"
    return value if isinstance(value, str) else _words(value)
