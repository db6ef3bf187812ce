from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.call import Era
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import meta
from doorward.wire.meta import Envelope, split_meta, stamp_meta

FULL = {
    meta.PROTOCOL_VERSION: "2026-07-28",
    meta.CLIENT_CAPABILITIES: {"sampling": {}},
    meta.CLIENT_INFO: {"name": "c"},
    meta.LOG_LEVEL: "info",
    meta.PROGRESS_TOKEN: "1",
    "traceparent": "00-a-b-01",
    "example.com/x": [1],
}


def stamp(rest: dict[str, Any], era: Era = Era.MODERN, **changes: Any) -> dict[str, Any] | None:
    given: dict[str, Any] = {
        "version": "2026-07-28",
        "capabilities": {"roots": {}},
        "client": {"name": "us"},
        "log_level": None,
        "progress_token": None,
    }
    return stamp_meta(rest, era=era, **(given | changes))


@pytest.mark.spec("DW-141")
def test_the_envelope_is_taken_off() -> None:
    params = {"name": "x", "_meta": FULL}
    before = deepcopy(params)
    bare, envelope, rest = split_meta(params)
    assert bare == {"name": "x"}
    assert envelope == Envelope("2026-07-28", {"sampling": {}}, {"name": "c"}, "info", "1")
    assert rest == {"traceparent": "00-a-b-01", "example.com/x": [1]}
    assert params == before


@pytest.mark.spec("DW-140")
def test_without_meta_there_is_no_envelope() -> None:
    assert split_meta({"a": 1}) == ({"a": 1}, Envelope(), {})
    assert split_meta({"_meta": {"x": 1}}) == ({}, Envelope(), {"x": 1})


@pytest.mark.spec("DW-145")
@pytest.mark.parametrize("token", [0, -1, "", "1", 10**30])
def test_progress_tokens_keep_their_type(token: int | str) -> None:
    found = split_meta({"_meta": {"progressToken": token}})[1].progress_token
    assert found == token
    assert type(found) is type(token)


@pytest.mark.spec("DW-141")
@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "x",
        {meta.PROTOCOL_VERSION: 1},
        {meta.CLIENT_CAPABILITIES: []},
        {meta.CLIENT_INFO: "x"},
        {meta.LOG_LEVEL: "loud"},
        {meta.LOG_LEVEL: []},
        {meta.PROGRESS_TOKEN: 1.0},
        {meta.PROGRESS_TOKEN: True},
        {meta.PROGRESS_TOKEN: {}},
    ],
    ids=str,
)
def test_an_ill_typed_member_is_refused(bad: Any) -> None:
    with pytest.raises(CallerError) as caught:
        split_meta({"_meta": bad})
    assert caught.value.reason is Reason.INVALID_PARAMS


@pytest.mark.spec("DW-142")
def test_a_modern_upstream_hears_our_envelope() -> None:
    assert stamp({"example.com/x": 1}, log_level="debug", progress_token=7) == {
        "example.com/x": 1,
        meta.PROTOCOL_VERSION: "2026-07-28",
        meta.CLIENT_CAPABILITIES: {"roots": {}},
        meta.CLIENT_INFO: {"name": "us"},
        meta.LOG_LEVEL: "debug",
        meta.PROGRESS_TOKEN: 7,
    }
    assert stamp({}, client=None) == {
        meta.PROTOCOL_VERSION: "2026-07-28",
        meta.CLIENT_CAPABILITIES: {"roots": {}},
    }


@pytest.mark.spec("DW-142")
def test_a_legacy_upstream_hears_no_envelope() -> None:
    assert stamp({}, Era.LEGACY, log_level="debug") is None
    assert stamp({"traceparent": "t"}, Era.LEGACY, progress_token=0) == {
        "traceparent": "t",
        "progressToken": 0,
    }


@pytest.mark.spec("DW-141", "DW-144", "DW-402")
@given(
    st.sets(st.sampled_from([*meta.ENVELOPE_KEYS, "baggage", meta.SUBSCRIPTION_ID, meta.SERVER_INFO, "x/y"]))
)
def test_nothing_of_a_leg_is_relayed(keys: set[str]) -> None:
    rest = dict.fromkeys(keys, "theirs")
    for era in Era:
        stamped = stamp(rest, era) or {}
        assert {key for key, value in stamped.items() if value == "theirs"} == keys & {"x/y"}
    assert rest == dict.fromkeys(keys, "theirs")
