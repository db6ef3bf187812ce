import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire.header_values import decode_name, encode_name


@pytest.mark.spec("DW-104")
@given(st.text(st.characters(codec="utf-8"), max_size=30))
@example("")
@example(" a")
@example("=?base64?")
@example("=?base64??=")
@example("=?base64?YQ==?=")
@example("a\r\nx-injected: 1")
def test_any_text_comes_back_and_is_a_legal_field_value(value: str) -> None:
    encoded = encode_name(value)
    assert encoded
    assert all(" " <= character <= "~" for character in encoded)
    assert encoded == encoded.strip()
    assert decode_name(b" " + encoded.encode() + b"\t") == value


@pytest.mark.spec("DW-104")
@pytest.mark.parametrize("value", ["echo", "a b", "file:///x?y=1", "=?base64?", "=?BASE64?YQ==?="])
def test_what_is_plain_stays_readable(value: str) -> None:
    assert encode_name(value) == value


@pytest.mark.spec("DW-105")
@pytest.mark.parametrize(
    "value",
    [
        b"=?base64?YQ=?=",
        b"=?base64?YQ?=",
        b"=?base64?YR==?=",
        b"=?base64?YQ==YQ==?=",
        b"=?base64?Y Q==?=",
        b"=?base64?Y-_=?=",
        b"=?base64?/w==?=",
        b"=?base64?YQ==\n?=",
        b"\xc3\xa9",
        b"a\x00b",
        b"a\x7f",
        b"a\tb",
    ],
)
def test_a_malformed_value_matches_nothing(value: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        decode_name(value)
    assert caught.value.reason is Reason.HEADER_MISMATCH
