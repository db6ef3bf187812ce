import zlib

from hypothesis import given
from hypothesis import strategies as st

from doorward.identity import base62


def test_what_is_drawn_is_of_the_alphabet_and_never_twice_the_same() -> None:
    texts = {base62.drawn(43) for _ in range(200)}
    assert len(texts) == 200
    assert all(len(text) == 43 and base62.holds(text) for text in texts)
    assert set("".join(texts)) == set(base62.ALPHABET)


@given(st.text(st.characters(max_codepoint=126, min_codepoint=32)))
def test_the_checksum_is_the_crc_in_base_62(body: str) -> None:
    written = base62.checksum(body)
    assert len(written) == base62.CRC_LENGTH
    value = 0
    for digit in written:
        value = value * 62 + base62.ALPHABET.index(digit)
    assert value == zlib.crc32(body.encode())


def test_what_is_not_of_the_alphabet() -> None:
    assert base62.holds("azAZ09")
    assert not base62.holds("a_b")
    assert not base62.holds("ä")
