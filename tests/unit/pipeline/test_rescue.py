"""Every reason has one form on the wire; how much a caller may learn is decided here alone."""

import asyncio
import json

import msgspec
import pytest

from doorward.model.call import Era, Outcome, Reply, RpcError
from doorward.model.errors import CallerError, DoorwardError, GatewayError, PolicyError, UpstreamError
from doorward.model.reasons import REASONS, Blame, Reason
from doorward.model.verdict import Deny, Hold
from doorward.pipeline import rescue
from doorward.pipeline.challenges import Challenges
from doorward.pipeline.rescue import FORMS, Answer
from doorward.policy.bounds import insufficient
from tests.support.calls import call_of
from tests.unit.catalog.build import call

FAMILIES = {Blame.CALLER: CallerError, Blame.POLICY: PolicyError, Blame.OURSELVES: GatewayError}
# The exact rows of the brief (2.2, 2.3) and of DESIGN sections 4 and 5.
EXPECTED = {
    Reason.PARSE_ERROR: (400, -32700),
    Reason.INVALID_REQUEST: (400, -32600),
    Reason.BATCH_UNSUPPORTED: (400, -32600),
    Reason.METHOD_NOT_FOUND: (200, -32601),
    Reason.META_MISSING: (400, -32602),
    Reason.HEADER_MISMATCH: (400, -32020),
    Reason.VERSION_UNSUPPORTED: (400, -32022),
    Reason.BODY_TOO_LARGE: (413, -32600),
    Reason.NOT_ACCEPTABLE: (406, -32600),
    Reason.UNSUPPORTED_MEDIA_TYPE: (415, -32600),
    Reason.ORIGIN_FORBIDDEN: (403, -32600),
    Reason.HOST_FORBIDDEN: (403, -32600),
    Reason.HTTP_METHOD_NOT_ALLOWED: (405, -32600),
    Reason.FORWARDED_INVALID: (400, -32600),
    Reason.TRANSPORT_INSECURE: (403, -32600),
    Reason.SESSION_REQUIRED: (400, -32600),
    Reason.SESSION_UNKNOWN: (404, -32600),
    Reason.CREDENTIAL_REVOKED: (401, -31010),
    Reason.PROXIED_WITHOUT_CREDENTIAL: (403, -31010),
    Reason.TARGET_UNKNOWN: (200, -32602),
    Reason.CURSOR_UNKNOWN: (200, -32602),
    Reason.BRIDGE_UNSUPPORTED: (200, -32603),
    Reason.STORE_UNAVAILABLE: (503, -32603),
    Reason.INTERNAL_ERROR: (200, -32603),
}


UNTOLD = dict.fromkeys(
    (
        Reason.CREDENTIAL_EXPIRED,
        Reason.CREDENTIAL_REVOKED,
        Reason.KEY_SUSPENDED,
        Reason.NETWORK_FORBIDDEN,
    ),
    Reason.CREDENTIAL_INVALID,
)
"""What a caller is told instead: nothing of why."""


def blamed(reason: Reason) -> DoorwardError:
    if REASONS[reason].blame is Blame.UPSTREAM:
        return UpstreamError(reason, "bank", "said no")
    return FAMILIES[REASONS[reason].blame](reason, "said no", data={"requiredCapabilities": ["x"]})


def failed(error: DoorwardError, *, era: Era | None = Era.LEGACY, decision_id: str | None = "d1") -> Answer:
    return rescue.failed(error, request_id=5, era=era, call=None, decision_id=decision_id)


@pytest.mark.parametrize("reason", list(Reason))
def test_an_error_says_reason_advice_and_whether_to_retry(reason: Reason) -> None:
    answer = failed(blamed(reason))

    said = json.loads(answer.body)
    alone = (Reason.CAPABILITY_MISSING, Reason.INVALID_REQUEST)
    assert answer.status == (200 if reason in alone else FORMS[reason].status)
    assert said["id"] == 5
    assert said["error"]["code"] == FORMS[reason].code
    data = said["error"]["data"]
    told = UNTOLD.get(reason, reason)
    assert data["reason"] == told.value
    assert data["retryable"] is REASONS[told].retryable
    assert data["advice"] == REASONS[told].advice
    assert data["decision_id"] == "d1"
    assert data.get("server") == ("bank" if REASONS[reason].blame is Blame.UPSTREAM else None)


@pytest.mark.spec("DW-084")
@pytest.mark.parametrize(("reason", "form"), EXPECTED.items())
def test_the_forms_that_the_brief_prescribes(reason: Reason, form: tuple[int, int]) -> None:
    assert FORMS[reason] == form


def test_an_error_cannot_overwrite_its_own_reason_through_data() -> None:
    answer = failed(CallerError(Reason.PARSE_ERROR, "no", data={"reason": "other", "x": 1}))

    data = json.loads(answer.body)["error"]["data"]
    assert (data["reason"], data["x"]) == ("parse_error", 1)


@pytest.mark.spec("DW-081")
@pytest.mark.parametrize(("era", "status"), [(Era.LEGACY, 200), (Era.MODERN, 404), (None, 200)])
def test_an_unknown_method_is_404_in_the_modern_era_only(era: Era | None, status: int) -> None:
    assert failed(CallerError(Reason.METHOD_NOT_FOUND, "no"), era=era).status == status


@pytest.mark.parametrize(("era", "status"), [(Era.LEGACY, 200), (Era.MODERN, 400), (None, 400)])
def test_a_missing_capability_is_400_in_the_modern_era_only(era: Era | None, status: int) -> None:
    """A legacy client would take that for a broken transport, and some would wait for ever."""
    answer = failed(CallerError(Reason.CAPABILITY_MISSING, "no"), era=era)
    assert answer.status == status
    assert json.loads(answer.body)["error"]["code"] == -32021


@pytest.mark.spec("DW-425")
@pytest.mark.parametrize(
    ("era", "request_id", "status"),
    [(Era.LEGACY, 5, 200), (Era.LEGACY, None, 400), (Era.MODERN, 5, 400), (None, None, 400)],
)
def test_a_request_of_a_session_that_is_malformed_fails_alone(
    era: Era | None, request_id: int | None, status: int
) -> None:
    error = CallerError(Reason.INVALID_REQUEST, "no")
    answer = rescue.failed(error, request_id=request_id, era=era, call=None, decision_id="d1")
    assert answer.status == status


@pytest.mark.spec("DW-288")
@pytest.mark.parametrize(
    ("era", "code", "status"),
    [
        (Era.MODERN, -32021, 400),
        (Era.MODERN, -32601, 404),
        (Era.MODERN, -32602, 200),
        (Era.MODERN, -1, 200),
        (Era.LEGACY, -32021, 200),
        (Era.LEGACY, -32601, 200),
    ],
)
def test_a_servers_own_error_has_the_status_that_its_code_demands(era: Era, code: int, status: int) -> None:
    reply = Reply(None, RpcError(code, "no", None), Outcome.PROTOCOL_ERROR)
    answer = rescue.replied(msgspec.structs.replace(call("tools/call", {}), era=era), reply)
    assert answer.status == status
    assert json.loads(answer.body)["error"]["code"] == code


def test_headers_that_tell_a_client_what_to_do() -> None:
    def fields(reason: Reason) -> dict[bytes, bytes]:
        return dict(failed(blamed(reason)).headers)

    assert fields(Reason.CREDENTIAL_MISSING)[b"www-authenticate"] == b'Bearer realm="doorward"'
    assert b'error="invalid_token"' in fields(Reason.CREDENTIAL_EXPIRED)[b"www-authenticate"]
    assert fields(Reason.OVERLOADED)[b"retry-after"] == b"1"
    assert b"www-authenticate" not in fields(Reason.PROXIED_WITHOUT_CREDENTIAL)


@pytest.mark.spec("DW-421")
@pytest.mark.parametrize("kind", [Deny, Hold])
def test_an_invisible_verdict_is_an_unknown_target_whatever_it_holds(kind: type[Deny] | type[Hold]) -> None:
    asked = call("tools/call", {"name": "x"})
    verdict = kind(Reason.NO_GRANT, "agent bot has no grant for it", visible=False)

    hidden = rescue.refused(asked, verdict, "d1", see_rules=True)
    unknown = rescue.failed(
        CallerError(Reason.TARGET_UNKNOWN, "unknown tool"),
        request_id=1,
        era=Era.LEGACY,
        call=asked,
        decision_id="d2",
    )

    assert hidden == unknown
    assert b"grant" not in hidden.body


async def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.asyncio
async def test_attempt_returns_what_was_raised() -> None:
    bug = RuntimeError("x")

    assert await rescue.attempt(_raise(bug)) is bug
    assert isinstance(await rescue.attempt(_raise(asyncio.CancelledError())), asyncio.CancelledError)
    assert await rescue.attempt(asyncio.sleep(0, "fine")) == "fine"
    with pytest.raises(KeyboardInterrupt):
        await rescue.attempt(_raise(KeyboardInterrupt()))


@pytest.mark.spec("DW-084")
def test_an_exception_that_is_a_bug_says_nothing_of_itself() -> None:
    error = rescue.as_error(RuntimeError("password"))

    assert (error.reason, error.message) == (Reason.INTERNAL_ERROR, "internal error")
    assert rescue.as_error(error) is error


METADATA = b"https://gw.example/.well-known/oauth-protected-resource/mcp"
SCHEME = Challenges(METADATA.decode(), {"crm": ("a", "b")})


@pytest.mark.parametrize("reason", [Reason.CREDENTIAL_INVALID, *UNTOLD])
def test_all_refused_credentials_are_answered_byte_for_byte_alike(reason: Reason) -> None:
    def answer(of: Reason, text: str) -> Answer:
        error = CallerError(of, text)
        return rescue.failed(error, request_id=None, era=None, call=None, decision_id=None, challenges=SCHEME)

    assert answer(reason, "the key of anna was revoked on Monday") == answer(Reason.CREDENTIAL_INVALID, "x")


@pytest.mark.parametrize(
    "reason",
    [
        Reason.AGENT_UNMATCHED,
        Reason.ACTOR_UNKNOWN,
        Reason.BLOCKED,
        Reason.IDENTITY_UNAVAILABLE,
        Reason.STORE_UNAVAILABLE,
        Reason.AUDIT_UNAVAILABLE,
        Reason.AUDIT_DISK_LOW,
    ],
)
def test_what_only_records_and_operators_should_name_is_not_told(reason: Reason) -> None:
    error = FAMILIES[REASONS[reason].blame](reason, "issuer https://secret.example timed out", data={"x": 1})
    answer = failed(error, decision_id=None)
    assert b"secret.example" not in answer.body
    assert "x" not in json.loads(answer.body)["error"]["data"]
    assert not [name for name, _ in answer.headers if name == b"www-authenticate"]


@pytest.mark.parametrize(
    ("reason", "endpoint", "field"),
    [
        (
            Reason.CREDENTIAL_MISSING,
            "crm",
            (b'Bearer resource_metadata="' + METADATA + b'/crm", scope="a b"'),
        ),
        (
            Reason.CREDENTIAL_INVALID,
            None,
            (
                b'Bearer resource_metadata="https://gw.example/.well-known/oauth-protected-resource/mcp", '
                b'error="invalid_token"'
            ),
        ),
        (
            Reason.CREDENTIAL_AMBIGUOUS,
            "crm",
            (b'Bearer resource_metadata="' + METADATA + b'/crm", error="invalid_request"'),
        ),
    ],
)
def test_a_refusal_says_where_to_get_in(reason: Reason, endpoint: str | None, field: bytes) -> None:
    answer = rescue.failed(
        CallerError(reason, "no"), request_id=None, era=None, call=None, decision_id=None,
        challenges=SCHEME, endpoint=endpoint,
    )  # fmt: skip
    assert dict(answer.headers)[b"www-authenticate"] == field


@pytest.mark.parametrize("method", ["tools/call", "resources/read", "prompts/get", "completion/complete"])
def test_a_missing_scope_is_answered_by_http_and_never_as_a_result(method: str) -> None:
    asked = call_of(method, {"name": "t"}, Era.MODERN, endpoint="crm")
    answer = rescue.refused(asked, insufficient(("b", "c")), "d1", see_rules=True, challenges=SCHEME)
    said = json.loads(answer.body)
    assert answer.status == 403
    assert "result" not in said
    assert said["id"] == asked.id
    assert said["error"]["data"]["scopes"] == ["b", "c"]
    assert said["error"]["data"]["reason"] == "insufficient_scope"
    assert dict(answer.headers)[b"www-authenticate"] == (
        b'Bearer error="insufficient_scope", scope="b c", '
        b'resource_metadata="https://gw.example/.well-known/oauth-protected-resource/mcp/crm", '
        b'error_description="this needs a token with more scopes"'
    )
