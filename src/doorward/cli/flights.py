"""Calls in flight, as commands list and end them that stop somebody."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from doorward.cli.output import Output

if TYPE_CHECKING:
    from doorward.app.admin.send import Send

Json = dict[str, Any]
_MOST: Final = "1000"
_NOBODY: Final = "no gateway runs, or it has no admin plane (gateway.admin: false)"


def show_calls(send: "Send", selector: Mapping[str, str]) -> list[Json] | None:
    """Those that are meant, oldest first; None where no gateway can be asked."""
    from doorward.control.errors import Unavailable

    try:
        found: list[Json] = send("GET", "/calls", query={**selector, "limit": _MOST})["calls"]
    except Unavailable:
        return None
    return found


def end_calls(send: "Send", selector: Mapping[str, str]) -> list[Json] | None:
    """The same, and they are told to end. What has been sent may have run."""
    from doorward.control.errors import Unavailable

    try:
        found: list[Json] = send("POST", "/calls/cancel", dict(selector))["calls"]
    except Unavailable:
        return None
    return found


def say_calls(output: Output, calls: Sequence[Json] | None, *, ended: bool) -> None:
    """For people."""
    if calls is None:
        become = "none was ended" if ended else "not known"
        output.say(f"calls in flight: {become}; {_NOBODY}")
    elif not calls:
        output.say("calls in flight: none")
    else:
        output.say(
            f"calls ended: {len(calls)}" if ended else f"calls in flight: {len(calls)}; --now ends them"
        )
        rows = [
            (
                call["id"],
                datetime.fromtimestamp(call["since"], UTC).strftime("%H:%M:%S UTC"),
                call["agent"],
                call["subject"],
                call.get("server") or "",
                call.get("name") or call["method"],
                "sent" if call.get("sent") else "not sent yet",
            )
            for call in calls
        ]
        output.table(("CALL", "SINCE", "AGENT", "SUBJECT", "SERVER", "TARGET", "STATE"), rows)
