import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.identity import keys, operators
from doorward.identity.base62 import ALPHABET, checksum

TOKEN = operators.OperatorToken("op_0123456789AB", "a" * 43)
LETTERS = st.sampled_from(ALPHABET)


@given(st.text(LETTERS, min_size=12, max_size=12), st.text(LETTERS, min_size=43, max_size=43))
def test_text_and_parts_are_one_thing(number: str, secret: str) -> None:
    token = operators.OperatorToken(f"op_{number}", secret)
    body = f"dwa_{number}_{secret}"
    assert token.text == body + checksum(body)
    assert operators.parse(token.text) == token


def test_a_minted_token_is_of_a_new_operator_or_of_a_given_one() -> None:
    first, second = operators.mint(), operators.mint()
    assert first.id != second.id
    assert operators.parse(first.text) == first
    again = operators.mint(first.id)
    assert again.id == first.id
    assert again.secret != first.secret


@given(st.integers(min_value=0, max_value=len(TOKEN.text) - 1), st.characters())
def test_no_single_wrong_character_goes_unnoticed(place: int, character: str) -> None:
    text = TOKEN.text[:place] + character + TOKEN.text[place + 1 :]
    if text != TOKEN.text:
        with pytest.raises(ValueError, match="token"):
            operators.parse(text)


def _with_sum(body: str) -> str:
    return body + checksum(body)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dwa_",
        keys.VirtualKey("live", "0" * 12, "a" * 43).text,
        _with_sum(f"dwa_0123456789A_{'a' * 43}"),
        _with_sum(f"dwa_0123456789AB_{'a' * 42}"),
        _with_sum(f"dwa_0123456789AB_{'a' * 44}"),
        _with_sum(f"dwa_0123456789AB{'a' * 43}"),
        _with_sum(f"dwa_0123456789AB_{'a' * 42}-"),
        _with_sum(f"dwa__0123456789AB_{'a' * 43}"),
        f" {TOKEN.text}",
        f"{TOKEN.text} ",
    ],
)
def test_what_is_no_token_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="token") as refused:
        operators.parse(text)
    assert not text or text not in str(refused.value)


def test_a_token_is_no_key() -> None:
    with pytest.raises(ValueError, match="not a Doorward key"):
        keys.parse(TOKEN.text)


def test_a_printed_token_says_no_secret() -> None:
    assert TOKEN.secret not in repr(TOKEN)
