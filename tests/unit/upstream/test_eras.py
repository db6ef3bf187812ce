"""When a modern server is tried in the older era, and for how long a no counts."""

from typing import Any

import msgspec
import pytest

from doorward.model.call import Era
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.eras import AGAIN_S, Older
from doorward.upstream.http import Refused
from tests.unit.upstream.test_questions import CALL, FORMS

TTL = 900.0


class Bench:
    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: dict[str, Any] = FORMS
        self.older = Older(lambda _: self.asked, lambda: self.now, lambda: TTL)

    def key(self, **changes: Any) -> str | None:
        return self.older.key(msgspec.structs.replace(CALL, **changes))


def failed(reason: Reason) -> UpstreamError:
    return UpstreamError(reason, "bank", "server bank said no")


@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read"])
def test_a_call_about_which_a_legacy_client_can_be_asked_has_a_session(method: str) -> None:
    assert Bench().key(method=method) == "s1"


@pytest.mark.parametrize(
    "changes",
    [
        {"era": Era.MODERN, "session": None},
        {"session": None},
        {"method": "completion/complete"},
        {"method": "resources/subscribe"},
    ],
)
def test_any_other_call_has_none(changes: dict[str, Any]) -> None:
    assert Bench().key(**changes) is None


def test_a_client_that_cannot_be_asked_needs_none() -> None:
    bench = Bench()
    bench.asked = {}
    assert bench.key() is None


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (failed(Reason.UPSTREAM_PROTOCOL_ERROR), TTL),
        (Refused(failed(Reason.UPSTREAM_HTTP_ERROR), 400), TTL),
        (Refused(failed(Reason.UPSTREAM_HTTP_ERROR), 405), TTL),
        (Refused(failed(Reason.UPSTREAM_HTTP_ERROR), 500), AGAIN_S),
        (Refused(failed(Reason.UPSTREAM_AUTH_FAILED), 401), AGAIN_S),
        (failed(Reason.UPSTREAM_TIMEOUT), AGAIN_S),
        (failed(Reason.UPSTREAM_UNREACHABLE), AGAIN_S),
        (failed(Reason.UPSTREAM_CONNECTION_LOST), AGAIN_S),
    ],
)
def test_a_no_counts_as_long_as_a_verdict_and_anything_else_for_a_while(
    error: UpstreamError, wait: float
) -> None:
    bench = Bench()
    refusal = bench.older.refused(error)
    assert (refusal.reason, refusal.server, refusal.message) == (error.reason, "bank", error.message)
    bench.now += wait - 1
    assert bench.key() is None
    bench.now += 2
    assert bench.key() == "s1"
