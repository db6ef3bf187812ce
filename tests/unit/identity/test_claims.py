from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.identity import claims
from doorward.identity.claims import Expired

NOW = 1_795_000_000.0


def test_a_path_leads_through_objects_only() -> None:
    said = {"realm_access": {"roles": ["a"]}, "list": [{"a": 1}], "null": None, "https://x.example/y": 1}
    assert claims.at(said, ("realm_access", "roles")) == ["a"]
    assert claims.at(said, ("https://x.example/y",)) == 1
    for path in (("realm_access", "x"), ("list", "a"), ("list", "0"), ("null", "a"), ("no",), ("sub", "len")):
        assert claims.at(said, path) is None


def test_the_first_path_that_is_there_counts() -> None:
    assert claims.first({"azp": "a", "client_id": "b"}, (("x",), ("azp",), ("client_id",))) == "a"
    assert claims.first({"azp": None, "client_id": "b"}, (("azp",), ("client_id",))) == "b"
    assert claims.first({}, (("azp",),)) is None


@pytest.mark.parametrize("value", [None, "", 1, ["a"], {"a": 1}, "a\nb", "a\0", "a\u202eb", "a" * 513, True])
def test_what_is_no_text(value: Any) -> None:
    with pytest.raises(ValueError, match="the subject"):
        claims.text(value, "the subject")


def test_text_may_be_of_any_script() -> None:
    assert claims.text("auth0|Zoë 漢", "the subject") == "auth0|Zoë 漢"
    assert claims.optional(None, "jti") is None
    with pytest.raises(ValueError, match="jti"):
        claims.optional(1, "jti")


def test_scopes_are_whole_words() -> None:
    assert claims.scopes("Mail.ReadWrite crm:read") == {"Mail.ReadWrite", "crm:read"}
    assert claims.scopes(["Mail.ReadWrite"]) == {"Mail.ReadWrite"}
    assert "Mail.Read" not in claims.scopes("Mail.ReadWrite")
    assert claims.scopes("") == claims.scopes(None) == claims.scopes([]) == frozenset()


@pytest.mark.parametrize(
    "value", [{"a": 1}, 1, True, "a  b", " a", "a ", "a\tb", 'a"b', "a\\b", "é", ["a b"], [1], ["a"] * 1001]
)
def test_what_are_no_scopes(value: Any) -> None:
    with pytest.raises(ValueError, match="scope"):
        claims.scopes(value)


def test_names_are_a_list_or_one_of_them() -> None:
    assert claims.names(["eng", "ops"], "groups") == {"eng", "ops"}
    assert claims.names("eng ops", "groups") == {"eng ops"}
    assert claims.names(None, "groups") == frozenset()
    for value in ({"eng": 1}, [1], ["a\n"], ["a"] * 1001):
        with pytest.raises(ValueError, match="groups"):
            claims.names(value, "groups")
    assert claims.words(["crm:read", "a b", "é"]) == {"crm:read"}


def test_the_audience_is_text_or_a_list_of_texts() -> None:
    assert claims.audience("a") == {"a"}
    assert claims.audience(["a", "b"]) == {"a", "b"}
    for value in (None, [], 1, {"a": "b"}, [1], ["a", None]):
        with pytest.raises(ValueError, match="aud"):
            claims.audience(value)


@pytest.mark.parametrize("value", [None, True, 1.5, "1", NOW, 4_102_444_800 * 10, -1, 0, [], 10**30])
def test_what_is_no_date(value: Any) -> None:
    with pytest.raises(ValueError, match="exp"):
        claims.date(value, "exp", NOW)


def test_times_allow_for_what_clocks_differ_by() -> None:
    now = int(NOW)
    assert claims.times({"exp": now + 60}, NOW, 30.0) == now + 90
    assert claims.times({"exp": now - 29}, NOW, 30.0) == now + 1
    assert claims.times({"exp": now + 60, "nbf": now + 30, "iat": now + 30}, NOW, 30.0)
    with pytest.raises(Expired):
        claims.times({"exp": now - 30}, NOW, 30.0)
    for said in ({}, {"exp": now + 60, "nbf": now + 31}, {"exp": now + 60, "iat": now + 31}):
        with pytest.raises(ValueError, match=r".") as caught:
            claims.times(said, NOW, 30.0)
        assert not isinstance(caught.value, Expired)
    for name in ("nbf", "iat"):
        with pytest.raises(ValueError, match=name):
            claims.times({"exp": now + 60, name: None}, NOW, 30.0)


@given(st.integers(-(10**6), 10**6), st.floats(0, 300))
def test_a_token_never_counts_longer_than_it_says_and_clocks_differ(ahead: int, skew: float) -> None:
    exp = int(NOW) + ahead
    try:
        until = claims.times({"exp": exp}, NOW, skew)
    except Expired:
        assert exp + skew <= NOW
    else:
        assert until == exp + skew > NOW
