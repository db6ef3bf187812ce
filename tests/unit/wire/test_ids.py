from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.wire.ids import IdMint, PendingCalls, ProgressTokens

IDS = st.integers() | st.text(max_size=5) | st.integers().map(str)
JSON_SCALARS = IDS | st.booleans() | st.none() | st.floats(allow_nan=False)


def same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and left == right


def test_a_mint_never_repeats_itself() -> None:
    mint = IdMint()
    assert [mint.mint() for _ in range(5)] == [1, 2, 3, 4, 5]


@given(st.lists(IDS, unique_by=lambda one: (type(one), one)), JSON_SCALARS)
def test_only_the_very_id_finds_its_call(ids: list[int | str], asked: Any) -> None:
    pending: PendingCalls[str] = PendingCalls()
    for one in ids:
        pending.add(one, repr(one))
    expected = next((repr(one) for one in ids if same(one, asked)), None)
    assert pending.get(asked) == expected
    assert pending.pop(asked) == expected
    assert pending.pop(asked) is None
    assert {value for _, value in pending.drain()} == {repr(one) for one in ids if not same(one, asked)}
    assert len(pending) == 0


def test_ids_that_look_alike_are_different_calls() -> None:
    pending: PendingCalls[str] = PendingCalls()
    pending.add(1, "number")
    pending.add("1", "text")
    assert pending.get(True) is None
    assert pending.get(1.0) is None  # type: ignore[arg-type]
    assert (pending.pop("1"), pending.pop(1)) == ("text", "number")


def test_an_id_in_flight_is_taken() -> None:
    pending: PendingCalls[int] = PendingCalls()
    pending.add("a", 1)
    with pytest.raises(ValueError, match="in flight"):
        pending.add("a", 2)
    assert pending.pop("a") == 1
    pending.add("a", 3)


@given(st.lists(IDS, max_size=10))
def test_tokens_come_back_with_their_type(callers: list[int | str]) -> None:
    tokens = ProgressTokens()
    minted = [tokens.mint(one) for one in callers]
    assert len(set(minted)) == len(callers)
    for token, caller in zip(minted, callers, strict=True):
        assert same(tokens.restore(token), caller)
        tokens.release(token)
        tokens.release(token)
        assert tokens.restore(token) is None
    assert len(tokens) == 0


@pytest.mark.parametrize("token", ["1", True, 1.0, None, 2, [], {}])
def test_a_token_nobody_holds_reaches_nobody(token: object) -> None:
    tokens = ProgressTokens()
    tokens.mint("caller")
    assert tokens.restore(token) is None
    tokens.release(None)
    assert tokens.restore(1) == "caller"
