"""Several rounds of one call: what a server may ask, and what of a client's second round reaches it."""

import json
from typing import Any

import msgspec
import pytest

from doorward.model.call import Era
from doorward.model.errors import CallerError, PolicyError, UpstreamError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Permit
from doorward.upstream.rounds import STATE_S, OwnKey, Rounds
from doorward.upstream.settings import ServerSettings
from tests.support.calls import call_of

ANNA = Principal("default", "anna", "ci-bot", "key")
BANK = ServerSettings(name="bank", url="http://127.0.0.1:1/mcp", may_ask=("elicitation", "roots"))
FORMS = {"elicitation": {"form": {}}}
THEIRS = "their state: \u20ac \n {}"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Ring(OwnKey):
    """Two keys, the newer of which is used."""

    def __init__(self) -> None:
        super().__init__()
        self.newest = 1

    def current(self, purpose: str) -> tuple[int, bytes]:
        return self.newest, self.version(purpose, self.newest)

    def version(self, purpose: str, number: int) -> bytes:
        assert number <= self.newest
        return bytes([number]) * 32


CLOCK, RING = Clock(), Ring()
ROUNDS = Rounds(BANK, RING, CLOCK)


def permit(
    capabilities: dict[str, Any] = FORMS,
    principal: Principal = ANNA,
    *,
    caller: Era = Era.MODERN,
    method: str = "tools/call",
    name: str = "transfer",
    **params: Any,
) -> Permit:
    given = {"name": name, "arguments": {"amount": 1}} | params
    call = call_of(method, given, caller, endpoint="bank", capabilities=capabilities)
    return Permit(call, principal, Target("bank", Kind.TOOL, name, OperationClass.WRITE), "d", ())


def result(**members: Any) -> bytes:
    return json.dumps({"resultType": "input_required", **members}).encode()


ASK = {"a": {"method": "elicitation/create", "params": {"message": "who?", "requestedSchema": {}}}}


def first(**changes: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(
        ROUNDS.incoming(permit(**changes), result(inputRequests=ASK, requestState=THEIRS))
    )
    return said


def again(state: Any, rounds: Rounds = ROUNDS, era: Era = Era.MODERN, **changes: Any) -> dict[str, Any]:
    retry = permit(**changes, requestState=state, inputResponses={"a": {"action": "accept"}})
    params = dict(retry.call.params)
    rounds.outgoing(retry, params, era)
    return params


@pytest.mark.spec("DW-026", "DW-240")
def test_the_servers_state_goes_sealed_and_comes_back_exact() -> None:
    said = first()
    assert said["inputRequests"] == ASK
    assert said["requestState"] != THEIRS
    params = again(said["requestState"])
    assert params["requestState"] == THEIRS
    assert params["inputResponses"] == {"a": {"action": "accept"}}


@pytest.mark.spec("DW-240")
def test_a_server_that_needs_no_state_is_given_none() -> None:
    text = result(inputRequests=ASK)
    assert ROUNDS.incoming(permit(), text) == text


@pytest.mark.spec("DW-244")
@pytest.mark.parametrize(
    "changes",
    [
        {"principal": Principal("default", "otto", "ci-bot", "key")},
        {"principal": Principal("other", "anna", "ci-bot", "key")},
        {"name": "close_account"},
        {"method": "prompts/get"},
        {"arguments": {"amount": 1_000_000}},
        {"arguments": {}},
    ],
)
def test_a_state_serves_its_own_call_only(changes: dict[str, Any]) -> None:
    state = first()["requestState"]
    with pytest.raises(CallerError, match="another call") as error:
        again(state, **changes)
    assert error.value.reason is Reason.REQUEST_STATE_INVALID


@pytest.mark.spec("DW-244")
def test_a_state_serves_its_own_server_only() -> None:
    elsewhere = Rounds(msgspec.structs.replace(BANK, url="http://127.0.0.1:2/mcp"), RING, CLOCK)
    with pytest.raises(CallerError, match="another call"):
        again(first()["requestState"], elsewhere)


@pytest.mark.spec("DW-083", "DW-244")
@pytest.mark.parametrize("state", [THEIRS, "", None, 1, {}, "AQAAAAE" + "A" * 80, "AQAAAAk" + "A" * 80])
def test_a_forged_state_is_refused(state: Any) -> None:
    with pytest.raises(CallerError) as error:
        again(state)
    assert error.value.reason is Reason.REQUEST_STATE_INVALID


@pytest.mark.spec("DW-244")
def test_a_state_expires() -> None:
    state = first()["requestState"]
    CLOCK.now += STATE_S + 2
    with pytest.raises(CallerError, match="expired"):
        again(state)


@pytest.mark.spec("DW-244")
def test_a_rotated_key_still_opens_what_it_sealed() -> None:
    state = first()["requestState"]
    RING.newest += 1
    assert again(state)["requestState"] == THEIRS
    assert again(first()["requestState"])["requestState"] == THEIRS


@pytest.mark.spec("DW-255")
def test_a_round_has_no_meaning_in_the_other_era() -> None:
    for caller, server in ((Era.LEGACY, Era.MODERN), (Era.LEGACY, Era.LEGACY)):
        retry = permit(caller=caller, requestState=THEIRS, inputResponses={})
        params = dict(retry.call.params)
        ROUNDS.outgoing(retry, params, server)
        assert params.keys() == {"name", "arguments"}
    with pytest.raises(CallerError, match="not issued for this server"):
        again(first()["requestState"], era=Era.LEGACY)


@pytest.mark.spec("DW-246")
def test_what_the_operator_forbids_is_not_asked() -> None:
    asks = result(inputRequests={"a": {"method": "sampling/createMessage", "params": {"messages": []}}})
    with pytest.raises(PolicyError, match="bank needs sampling") as error:
        ROUNDS.incoming(permit({"sampling": {}}), asks)
    assert error.value.reason is Reason.ASK_NOT_ALLOWED


@pytest.mark.spec("DW-082", "DW-245")
def test_what_the_client_did_not_declare_is_not_asked() -> None:
    with pytest.raises(CallerError, match="was not declared") as error:
        ROUNDS.incoming(permit({}), result(inputRequests=ASK))
    assert error.value.reason is Reason.CAPABILITY_MISSING
    assert error.value.data is not None
    assert error.value.data["requiredCapabilities"] == {"elicitation": {"form": {}}}


@pytest.mark.spec("DW-247")
@pytest.mark.parametrize(
    ("text", "method"),
    [
        (b'{"resultType":"task","taskId":"t"}', "tools/call"),
        (b'{"resultType":7}', "tools/call"),
        (result(inputRequests={"a": {"method": "tools/call"}}), "tools/call"),
        (result(inputRequests=ASK, requestState="s"), "completion/complete"),
        (result(), "tools/call"),
        (result(requestState="x" * 100_000), "tools/call"),
    ],
)
def test_a_result_of_another_kind_is_the_servers_fault(text: bytes, method: str) -> None:
    with pytest.raises(UpstreamError, match="server bank") as error:
        ROUNDS.incoming(permit(method=method), text)
    assert error.value.reason is Reason.UPSTREAM_PROTOCOL_ERROR


@pytest.mark.spec("DW-247")
def test_a_complete_result_in_an_odd_spelling_is_complete() -> None:
    text = b'{"resultType":"compl\\u0065te","content":[]}'
    assert ROUNDS.incoming(permit(), text) == text


NEEDS = {"requiredCapabilities": {"elicitation": {"form": {}}}}


@pytest.mark.spec("DW-082")
@pytest.mark.parametrize("era", list(Era))
def test_what_the_caller_did_not_declare_is_the_callers_to_mend(era: Era) -> None:
    for data in (NEEDS, {"requiredCapabilities": {"extensions": {}}}):
        ROUNDS.explain_missing(permit({}).call, era, data)


@pytest.mark.spec("DW-082")
@pytest.mark.parametrize("data", [None, {}, "elicitation", {"requiredCapabilities": []}])
def test_a_capability_that_is_not_named_cannot_be_declared(data: Any) -> None:
    with pytest.raises(UpstreamError, match="server bank refused the call") as error:
        ROUNDS.explain_missing(permit({}).call, Era.MODERN, data)
    assert error.value.reason is Reason.UPSTREAM_PROTOCOL_ERROR
    ROUNDS.explain_missing(permit({}).call, Era.LEGACY, data)  # which has no such code


@pytest.mark.spec("DW-246")
def test_what_the_operator_keeps_from_a_server_is_said_so() -> None:
    needs = {"requiredCapabilities": {"sampling": {}}}
    with pytest.raises(PolicyError) as error:
        ROUNDS.explain_missing(permit({"sampling": {}}).call, Era.MODERN, needs)
    assert error.value.reason is Reason.ASK_NOT_ALLOWED


@pytest.mark.spec("DW-254")
def test_what_only_the_eras_keep_apart_is_said_so() -> None:
    with pytest.raises(UpstreamError, match="server bank needs elicitation") as error:
        ROUNDS.explain_missing(permit(caller=Era.LEGACY).call, Era.MODERN, NEEDS)
    assert error.value.reason is Reason.BRIDGE_UNSUPPORTED
