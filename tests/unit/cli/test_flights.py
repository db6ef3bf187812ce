"""Calls in flight, as a command lists and ends them."""

from collections.abc import Mapping
from typing import Any

import pytest

from doorward.cli.flights import end_calls, say_calls, show_calls
from doorward.cli.output import Output
from doorward.control.errors import Unavailable

CALL = {"id": "c1", "since": 0.0, "method": "tools/call", "agent": "ci", "subject": "k", "server": "crm"}


class Send:
    """Implements app.admin.send.Send."""

    def __init__(self, *, runs: bool = True) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._runs = runs

    def __call__(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        self.asked.append((method, path, body or query))
        if not self._runs:
            raise Unavailable("nobody")
        return {"calls": [CALL]}


def test_they_are_asked_for_and_ended() -> None:
    send = Send()
    assert show_calls(send, {"agent": "ci"}) == end_calls(send, {"agent": "ci"}) == [CALL]
    assert send.asked == [
        ("GET", "/calls", {"agent": "ci", "limit": "1000"}),
        ("POST", "/calls/cancel", {"agent": "ci"}),
    ]


def test_without_a_gateway_there_are_none() -> None:
    assert show_calls(Send(runs=False), {}) is None
    assert end_calls(Send(runs=False), {}) is None


@pytest.mark.parametrize(
    ("calls", "ended", "text"),
    [
        (None, False, "not known; no gateway runs, or it has no admin plane"),
        (None, True, "none was ended; no gateway runs, or it has no admin plane"),
        ([], True, "calls in flight: none"),
        ([CALL], False, "calls in flight: 1; --now ends them"),
        ([CALL], True, "calls ended: 1"),
        ([{**CALL, "sent": True, "name": "find"}], False, "find"),
    ],
)
def test_what_people_read(
    calls: list[dict[str, Any]] | None, ended: bool, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say_calls(Output(as_json=False), calls, ended=ended)
    assert text in capsys.readouterr().out
