import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from doorward.identity import keyset, preparse, verify
from doorward.identity.claims import Expired
from doorward.identity.issuers import IssuerSettings, settings
from doorward.identity.verify import UnknownKey, Verified
from tests.support.tokens import Mint, b64, published

MINT = Mint("https://id.example.com", "https://gw.example.com/mcp")
OWN = settings(MINT.issuer)
TOKENS = {kid: MINT.token(kid, exp=int(time.time()) + 86400) for kid in MINT.keys}
KEYS = keyset.read(json.dumps(MINT.public()).encode())


def check(token: str, own: IssuerSettings = OWN, tenant: str | None = None, **more: Any) -> Verified:
    said = preparse.read(token)
    issuer = said.claims.get("iss", "")  # what is looked up first (tokens.py) may have been changed away
    verify.check_header(said, own)
    verify.check_signature(said, own, more.get("keys", KEYS), issuer)
    return verify.check_claims(said.claims, own, issuer, tenant, resource=MINT.audience, now=time.time())


@pytest.mark.parametrize("kid", MINT.keys)
def test_what_an_issuer_signed_is_what_it_says(kid: str) -> None:
    found = check(MINT.token(kid, scope="a b"))
    assert found.claims["scope"] == "a b"
    assert (found.issuer, found.thumbprint) == (MINT.issuer, None)
    assert found.until == found.claims["exp"] + 30.0


@settings_of_hypothesis(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(MINT.keys)), st.data())
def test_a_token_that_was_changed_anywhere_is_refused(kid: str, data: st.DataObject) -> None:
    good = TOKENS[kid]
    at = data.draw(st.integers(0, len(good) - 1))
    length = data.draw(st.integers(0, 3))
    piece = data.draw(st.text("abcXYZ019-_.=", max_size=3))
    changed = good[:at] + piece + good[at + length :]
    if changed == good:
        assert check(changed)
        return
    with pytest.raises(ValueError, match=r"."):
        check(changed)


def test_a_key_that_is_not_there_may_be_new() -> None:
    for kid in ("k-other", "K-EC"):
        with pytest.raises(UnknownKey):
            check(MINT.token(head={"kid": kid}))
    with pytest.raises(UnknownKey):
        check(MINT.token(head={"kid": "k-rsa"}))


def test_a_signature_by_another_key_is_none() -> None:
    other = Mint(MINT.issuer, MINT.audience)
    with pytest.raises(ValueError, match="does not fit") as caught:
        check(other.token())
    assert not isinstance(caught.value, UnknownKey)


def test_a_key_of_one_tenant_is_not_taken_for_another() -> None:
    template = settings("https://l.example/{tenantid}/v2.0", "entra", tenants=("a", "b"))
    mint = Mint("https://l.example/a/v2.0", MINT.audience)
    key = mint.keys["k-ec"][1]

    def keys(issuer: str) -> keyset.KeySet:
        return keyset.read(json.dumps({"keys": [published("k-ec", key, issuer=issuer)]}).encode())

    assert check(mint.token(tid="a"), template, "a", keys=keys("https://l.example/{tenantid}/v2.0"))
    with pytest.raises(ValueError, match="another issuer"):
        check(mint.token(tid="a"), template, "a", keys=keys("https://l.example/b/v2.0"))
    with pytest.raises(ValueError, match="tid"):
        check(mint.token(tid="b"), template, "a", keys=keys("https://l.example/a/v2.0"))


def test_an_audience_of_the_issuer_counts_beside_the_endpoint() -> None:
    own = settings(MINT.issuer, audience=frozenset({"api-guid"}))
    assert check(MINT.token(aud="api-guid"), own)
    assert check(MINT.token(), own)
    with pytest.raises(ValueError, match="aud"):
        check(MINT.token(aud="api-guid"))
    with pytest.raises(ValueError, match="aud"):
        check(MINT.token(aud="API-GUID"), own)


def test_expired_is_told_apart() -> None:
    with pytest.raises(Expired):
        check(MINT.token(exp=int(time.time()) - 31))
    assert check(MINT.token(exp=int(time.time()) - 100), settings(MINT.issuer, skew=300.0))


def test_where_the_kind_stands_in_the_claims_it_is_looked_at() -> None:
    keycloak = settings(MINT.issuer, "keycloak")
    assert check(MINT.token(typ="Bearer"), keycloak)
    for kind in ("ID", "Refresh", "Offline", "bearer", None, ["Bearer"]):
        with pytest.raises(ValueError, match="typ"):
            check(MINT.token(typ=kind), keycloak)


def test_a_binding_is_to_one_certificate_or_to_something_that_was_not_shown() -> None:
    assert verify.bound(None) is None
    assert verify.bound({"x5t#S256": b64(bytes(range(32)))}) == bytes(range(32)).hex()
    for other in (
        {},
        "x",
        [],
        True,
        {"jkt": "x"},
        {"jwk": {}},
        {"kid": "x"},
        {"x5t#S256": b64(bytes(32)), "jkt": "x"},
        {"x5t#S256": None},
        {"x5t#S256": 5},
        {"x5t#S256": ""},
        {"x5t#S256": b64(bytes(31))},
        {"x5t#S256": b64(bytes(33))},
        {"x5t#S256": b64(bytes(32)) + "="},
        {"x5t#S256": bytes(32).hex()},
        {"x5t#S256": "é" * 43},
    ):
        with pytest.raises(ValueError, match=r"."):
            verify.bound(other)
