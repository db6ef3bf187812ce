"""The seal around a server's state: exact inside, useless to whoever changes a bit of it."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.wire.errors import WireError
from doorward.wire.large import MAX_MEMBER
from doorward.wire.request_state import (
    MAX_SEAL,
    NONCE_BYTES,
    Bound,
    Sealed,
    digest_of,
    key_version,
    seal,
    unseal,
)

KEY = b"k" * 32
BOUND = Bound("bank 00", "default|anna|bot", "tools/call", "tool transfer", digest_of({"amount": 1}))


def sealed(state: str = "their state") -> str:
    return seal(Sealed(BOUND, 1_000, state), KEY, 7, os.urandom(NONCE_BYTES))


@pytest.mark.spec("DW-240")
@given(st.text())
def test_the_state_comes_back_exactly(state: str) -> None:
    assert unseal(sealed(state), KEY) == Sealed(BOUND, 1_000, state)


@pytest.mark.spec("DW-240")
def test_a_seal_says_which_key_it_needs_and_nothing_else() -> None:
    token = sealed("a secret of the server")
    assert key_version(token) == 7
    assert "secret" not in token
    assert token.isascii()
    assert sealed() != sealed()


@pytest.mark.spec("DW-244")
def test_no_changed_character_goes_unnoticed() -> None:
    token = sealed()
    for at in range(len(token)):
        other = "A" if token[at] != "A" else "B"
        forged = token[:at] + other + token[at + 1 :]
        with pytest.raises(WireError):
            assert unseal(forged, KEY) != unseal(token, KEY)


@pytest.mark.spec("DW-244")
@pytest.mark.parametrize("token", ["", "A", "AQ", "=", "ü", "AAAA" * 40, "their state", "A" * 1_000_000])
def test_what_is_no_seal_is_refused(token: str) -> None:
    with pytest.raises(WireError, match="not issued here"):
        key_version(token)


@pytest.mark.spec("DW-244")
def test_another_key_does_not_open_it() -> None:
    with pytest.raises(WireError, match="not issued here"):
        unseal(sealed(), b"x" * 32)


@pytest.mark.spec("DW-240")
def test_a_state_that_is_too_large_is_not_carried() -> None:
    assert unseal(sealed("x" * 45_000), KEY).state == "x" * 45_000
    with pytest.raises(WireError, match="larger than a client could send back"):
        sealed("x" * MAX_SEAL)


@pytest.mark.spec("DW-240")
def test_a_seal_fits_into_a_large_message() -> None:
    assert MAX_SEAL + 2 <= MAX_MEMBER  # with its quotes


@pytest.mark.spec("DW-244")
def test_arguments_count_whatever_order_they_are_written_in() -> None:
    assert digest_of({"a": 1, "b": {"c": 1, "d": 2}}) == digest_of({"b": {"d": 2, "c": 1}, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
    assert digest_of(None) != digest_of({})
