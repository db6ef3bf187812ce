import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.identity import preparse
from doorward.identity.preparse import MAX_TOKEN
from tests.support.tokens import b64, dumped

HEAD = {"alg": "ES256", "kid": "k1", "typ": "at+jwt"}
CLAIMS = {"iss": "https://id.example.com", "sub": "anna", "aud": ["https://gw.example.com/mcp"], "exp": 1}
SIGNATURE = b64(b"s" * 64)


def token(header: Any = HEAD, claims: Any = CLAIMS, signature: str = SIGNATURE) -> str:
    return f"{b64(dumped(header))}.{b64(dumped(claims))}.{signature}"


def test_what_a_token_says_is_read_as_it_stands() -> None:
    found = preparse.read(token({**HEAD, "x5t": "abc"}))
    assert (found.header.alg, found.header.kid, found.header.typ) == ("ES256", "k1", "at+jwt")
    assert found.claims == CLAIMS
    assert found.signed == token({**HEAD, "x5t": "abc"}).rpartition(".")[0].encode()
    assert found.signature == b"s" * 64


@pytest.mark.parametrize(
    "kid", ["k1", "a.b~c_d-e", "DbQ7P+gBtFmkKwBX/Wzv0Dw=", "x" * 128, "2011-04-29", "abc_-", "YWJj=="]
)
def test_keys_are_called_as_issuers_call_them(kid: str) -> None:
    assert preparse.read(token({**HEAD, "kid": kid})).header.kid == kid


def test_a_media_type_has_no_case_and_may_be_missing() -> None:
    assert preparse.read(token({**HEAD, "typ": "AT+JWT"})).header.typ == "at+jwt"
    assert preparse.read(token({"alg": "ES256"})).header == preparse.Header("ES256", None, None)


HEADERS: dict[str, Any] = {
    **{f"brings {name}": {**HEAD, name: ["a"]} for name in sorted(preparse.FORBIDDEN)},
    **{f"brings null {name}": {**HEAD, name: None} for name in ("jwk", "crit", "b64")},
    "alg twice": '{"alg":"none","alg":"ES256"}',
    "alg in capitals beside it": '{"alg":"ES256","ALG":"none"}',
    "alg in capitals only": {"ALG": "ES256"},
    "kid in capitals": {**HEAD, "Kid": "k2"},
    "no alg": {"kid": "k1"},
    "alg of another type": {**HEAD, "alg": ["ES256"]},
    "alg too long": {**HEAD, "alg": "E" * 17},
    "empty alg": {**HEAD, "alg": ""},
    "kid with a path": {**HEAD, "kid": "../../dev/null"},
    "kid of padding": {**HEAD, "kid": "="},
    "kid with padding within": {**HEAD, "kid": "a=b"},
    "kid with a path of dots and base64": {**HEAD, "kid": "a+b/../c"},
    "kid with a quote": {**HEAD, "kid": "' or 1=1"},
    "kid with a line end": {**HEAD, "kid": "k1\n"},
    "empty kid": {**HEAD, "kid": ""},
    "long kid": {**HEAD, "kid": "k" * 129},
    "kid a number": {**HEAD, "kid": 1},
    "kid null": {**HEAD, "kid": None},
    "typ a list": {**HEAD, "typ": ["at+jwt"]},
    "typ null": {**HEAD, "typ": None},
    "typ with a blank": {**HEAD, "typ": "at+jwt "},
    "no object": ["ES256"],
    "a scalar": "1",
    "no JSON": "{alg:ES256}",
    "more than its room": {**HEAD, "pad": "x" * 1024},
    "two texts": '{"alg":"ES256"}{}',
    "a mark before it": b"\xef\xbb\xbf" + json.dumps(HEAD).encode(),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_headers_that_are_refused(header: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        preparse.read(token(header))


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


PAYLOADS: dict[str, Any] = {
    "sub twice": '{"sub":"anna","sub":"root"}',
    "sub twice, one escaped": '{"sub":"anna","\\u0073ub":"root"}',
    "twice, further in": '{"act":{"sub":"a","sub":"b"}}',
    "sub in capitals": {"SUB": "root"},
    "exp in capitals beside it": {"exp": 1, "Exp": 2},
    "unknown ones that differ in case": {"team": "a", "Team": "b"},
    "differ in case, in a list": {"x": [{"team": "a", "Team": "b"}]},
    "Infinity": '{"exp":Infinity}',
    "NaN": '{"exp":NaN}',
    "a number beyond a double": '{"exp":1e999}',
    "too deep": nested(9),
    "5,000 deep": nested(1500),
    "deep lists": '{"a":' + "[" * 9 + "]" * 9 + "}",
    "a list": [1],
    "text": '"anna"',
    "empty": "",
    "not UTF-8": b'{"sub":"\xff"}',
    "half a pair": '{"sub":"\\ud800"}',
    "a comment": '{"sub":"anna"}//',
    "a trailing comma": '{"sub":"anna",}',
}


@pytest.mark.parametrize("claims", PAYLOADS.values(), ids=PAYLOADS)
def test_payloads_that_are_refused(claims: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        preparse.read(token(claims=claims))


def test_a_payload_may_be_as_deep_as_a_delegation_is_long() -> None:
    deep: Any = {"sub": "s"}
    for _ in range(10):
        deep = {"sub": "s", "act": deep}
    assert preparse.read(token(claims={"act": deep})).claims["act"] == deep
    assert preparse.read(token(claims=nested(8)))


SPELLINGS = {
    "padding": token() + "==",
    "padding in the middle": token().replace(".", "=.", 1),
    "standard alphabet": token(signature="+/" + SIGNATURE[2:]),
    "a blank": token().replace(".", " .", 1),
    "a line end": token() + "\n",
    "a line end within": token()[:30] + "\n" + token()[30:],
    "bits that hang over": token(signature=SIGNATURE[:-1] + "d"),
    "an impossible length": token(signature="abcde"),
    "no signature": token(signature=""),
    "two parts": token().rpartition(".")[0],
    "four parts": token() + ".YQ",
    "five parts": token() + ".YQ.YQ",
    "empty header": "." + token().partition(".")[2],
    "nothing": "",
    "dots": "..",
    "NUL": token()[:10] + "\0" + token()[10:],
    "beyond ASCII": token() + "\u00e9",
    "half a pair": token() + "\ud800",
    "too long": token(signature="a" * MAX_TOKEN),
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        preparse.read(text)


def test_a_refusal_repeats_nothing_of_the_token() -> None:
    for header, claims in (({**HEAD, "kid": "CANARY!"}, CLAIMS), (HEAD, '{"CANARY":1,"CANARY":2}')):
        with pytest.raises(ValueError, match=r".") as caught:
            preparse.read(token(header, claims))
        assert "CANARY" not in str(caught.value)


def test_only_what_begins_as_a_signed_object_is_no_opaque_token() -> None:
    assert not preparse.is_opaque(token())
    assert not preparse.is_opaque(token('{ "alg":"ES256"}'))
    assert preparse.is_opaque("abc.def.ghi")
    assert preparse.is_opaque("eyJhbGciOiJFUzI1NiJ9")
    assert preparse.is_opaque(token() + ".a.b")


@pytest.mark.parametrize("text", ["", "a b", "a\n", "\u00e9", "=a", "a" * (MAX_TOKEN + 1), "a=b", "a,b"])
def test_opaque_tokens_that_cannot_be_sent(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        preparse.opaque(text)
    assert preparse.opaque("aZ0-._~+/==") == "aZ0-._~+/=="


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcd", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abcd", min_size=1, max_size=3), JSON, max_size=4))
def test_what_is_read_is_what_another_reader_reads(claims: dict[str, Any]) -> None:
    found = preparse.read(token(claims=claims))
    assert found.claims == json.loads(dumped(claims)) == claims


@given(st.text('eyJ.abcw-_=+/ \n{}"', max_size=60) | st.text(max_size=40))
def test_it_raises_nothing_but_what_it_says(text: str) -> None:
    for read in (preparse.read, preparse.opaque):
        caught: ValueError | None = None
        try:
            read(text)
        except ValueError as error:
            caught = error
        assert not isinstance(caught, UnicodeError)


@given(st.data())
def test_a_token_has_one_spelling(data: st.DataObject) -> None:
    """Whatever one character becomes, the token is refused or says something else."""
    text = token()
    at = data.draw(st.integers(0, len(text) - 1))
    other = text[:at] + data.draw(st.characters(min_codepoint=0, max_codepoint=127)) + text[at + 1 :]
    before = preparse.read(text)
    try:
        after = preparse.read(other)
    except ValueError:
        return
    assert (other == text) == ((after.signed, after.signature) == (before.signed, before.signature))
