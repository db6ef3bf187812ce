import hashlib
import hmac
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.identity import keys

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY = keys.VirtualKey("live", "0123456789AB", "a" * 43)


def key_text(environment: str, key_id: str, secret: str) -> str:
    """Independent of `keys`: what the format's description says."""
    body = f"dw_{environment}_{key_id}_{secret}"
    value = zlib.crc32(body.encode())
    return body + "".join(ALPHABET[value // 62**place % 62] for place in (5, 4, 3, 2, 1, 0))


@given(
    st.sampled_from(["live", "test"]),
    st.text(alphabet=ALPHABET, min_size=12, max_size=12),
    st.text(alphabet=ALPHABET, min_size=43, max_size=43),
)
def test_text_and_parts_are_one_thing(environment: str, key_id: str, secret: str) -> None:
    key = keys.VirtualKey(environment, key_id, secret)
    assert key.text == key_text(environment, key_id, secret)
    assert keys.parse(key.text) == key


def test_a_minted_key_has_the_documented_form() -> None:
    for environment in ("live", "test"):
        key = keys.mint(environment)
        assert len(key.text) == len(f"dw_{environment}_") + 12 + 1 + 43 + 6
        assert keys.parse(key.text) == key


def test_minted_keys_differ() -> None:
    minted = [keys.mint("live") for _ in range(50)]
    assert len({key.id for key in minted}) == 50
    assert len({key.secret for key in minted}) == 50


def test_mints_for_known_environments_only() -> None:
    with pytest.raises(ValueError, match="staging"):
        keys.mint("staging")


@given(st.integers(min_value=0, max_value=len(KEY.text) - 1), st.characters())
def test_no_single_wrong_character_goes_unnoticed(place: int, character: str) -> None:
    text = KEY.text[:place] + character + KEY.text[place + 1 :]
    if text != KEY.text:
        with pytest.raises(ValueError, match="key"):
            keys.parse(text)


@given(st.integers(min_value=0, max_value=len(KEY.text) - 1))
def test_a_cut_off_key_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="key"):
        keys.parse(KEY.text[:length])


@given(st.text(), st.sampled_from(["", "dw_", "dw_live_", "dw_live_0123456789AB_"]))
def test_parse_raises_nothing_but_value_error_and_never_repeats_the_key(text: str, prefix: str) -> None:
    with pytest.raises(ValueError, match="key") as caught:
        keys.parse(prefix + text)
    assert len(text) < 12 or text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        key_text("prod", "0123456789AB", "a" * 43),
        key_text("live", "0123456789A", "a" * 44),
        key_text("live", "0123456789ABC", "a" * 42),
        key_text("live", "0123456789A-", "a" * 43),
        key_text("live", "0123456789AB", "a" * 42 + "é")[:-1],
        key_text("live", "0123456789AB", "a" * 20 + "_" + "a" * 22),
        key_text("live", "0123456789AB", "a" * 42 + "\n"),
        " " + KEY.text,
        KEY.text + "\n",
        KEY.text.upper(),
    ],
)
def test_a_right_checksum_does_not_excuse_a_wrong_form(text: str) -> None:
    with pytest.raises(ValueError, match="key"):
        keys.parse(text)


def test_an_operator_token_is_no_key() -> None:
    with pytest.raises(ValueError, match="not a Doorward key"):
        keys.parse("dwa_" + "a" * 60)


def test_digest_is_hmac_sha256() -> None:
    assert keys.digest(b"pepper", "secret") == hmac.new(b"pepper", b"secret", hashlib.sha256).digest()


def test_matches_needs_both_pepper_and_secret() -> None:
    stored = keys.digest(b"p" * 32, KEY.secret)
    assert keys.matches(stored, b"p" * 32, KEY.secret)
    assert not keys.matches(stored, b"q" * 32, KEY.secret)
    assert not keys.matches(stored, b"p" * 32, "b" * 43)


def test_repr_hides_the_secret() -> None:
    assert KEY.secret not in repr(KEY)
