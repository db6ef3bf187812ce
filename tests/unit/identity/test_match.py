from typing import Any

import pytest

from doorward.identity import match
from doorward.identity.match import CertificateMatch, Person, TokenMatch, typed
from doorward.model.certificate import ClientCertificate
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

A, B = "https://a.example", "https://b.example"
CERTIFICATE = ClientCertificate(
    "ab" * 32, "CN=ci,O=Acme", "CN=ca", ("spiffe://td/ns/ci",), ("ci.example.com",), (), 0.0
)


def values(*wanted: Any) -> frozenset[tuple[type, Any]]:
    return frozenset(map(typed, wanted))


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        (TokenMatch("x", A), True),
        (TokenMatch("x", B), False),
        (TokenMatch("x", A, "ci"), True),
        (TokenMatch("x", A, "c*"), False),
        (TokenMatch("x", A, "*"), True),
        (TokenMatch("x", A, "CI"), False),
        (TokenMatch("x", A, None, "anna"), True),
        (TokenMatch("x", A, "ci", "bert"), False),
        (TokenMatch("x", A, claims=((("team",), values("red", "blue")),)), True),
        (TokenMatch("x", A, claims=((("team",), values("green")),)), False),
        (TokenMatch("x", A, claims=((("groups",), values("eng")),)), True),
        (TokenMatch("x", A, claims=((("groups",), values("en")),)), False),
        (TokenMatch("x", A, claims=((("deep", "level"), values(1)),)), True),
        (TokenMatch("x", A, claims=((("deep", "level"), values(True)),)), False),
        (TokenMatch("x", A, claims=((("deep", "level"), values("1")),)), False),
        (TokenMatch("x", A, claims=((("deep",), values("level")),)), False),
        (TokenMatch("x", A, claims=((("missing",), values("")),)), False),
        (TokenMatch("x", A, claims=((("team",), values("red")), (("groups",), values("x")))), False),
    ],
)
def test_all_that_an_entry_says_must_hold(entry: TokenMatch, fits: bool) -> None:
    said = {"team": "red", "groups": ["eng", ["x"], {"y": 1}], "deep": {"level": 1}}
    assert entry.fits(A, "ci", "anna", said) is fits


def test_any_client_is_one_that_there_is() -> None:
    assert not TokenMatch("x", A, "*").fits(A, None, "anna", {})
    assert TokenMatch("x", A).fits(A, None, "anna", {})


def test_exactly_one_agent_must_fit() -> None:
    entries = [TokenMatch("one", A, "ci"), TokenMatch("one", A, None, "anna"), TokenMatch("two", A, "cd")]
    assert match.only(match.agents(entries, A, "ci", "anna", {}), "it") == "one"
    for client, said in (("x", "matches no agent"), ("cd", "more than one agent: one, two")):
        with pytest.raises(CallerError, match=said) as caught:
            match.only(match.agents(entries, A, client, "anna" if client == "cd" else "x", {}), "it")
        assert caught.value.reason is Reason.AGENT_UNMATCHED


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (CertificateMatch("x", uri="spiffe://td/ns/ci"), "spiffe://td/ns/ci"),
        (CertificateMatch("x", uri="spiffe://td/*"), "spiffe://td/ns/ci"),
        (CertificateMatch("x", uri="spiffe://td"), None),
        (CertificateMatch("x", dns="*.Example.com"), "ci.example.com"),
        (CertificateMatch("x", dns="ci.example.org"), None),
        (CertificateMatch("x", subject="CN=ci,*"), "CN=ci,O=Acme"),
        (CertificateMatch("x", subject="CN=ci"), None),
        (CertificateMatch("x", sha256="ab" * 32), "CN=ci,O=Acme"),
        (CertificateMatch("x", sha256="ac" * 32), None),
    ],
)
def test_a_certificate_fits_by_a_name_of_the_kind_that_is_asked_for(
    entry: CertificateMatch, name: str | None
) -> None:
    assert entry.name(CERTIFICATE) == name


def test_a_name_that_is_not_there_fits_nothing() -> None:
    bare = ClientCertificate("ab" * 32, "", "CN=ca", (), (), (), 0.0)
    assert CertificateMatch("x", subject="*").name(bare) is None
    assert CertificateMatch("x", uri="*").name(bare) is None
    assert CertificateMatch("x", sha256="ab" * 32).name(bare) == "ab" * 32


@pytest.mark.parametrize(
    ("person", "fits"),
    [
        (Person("p", A, subject="anna"), True),
        (Person("p", A, subject="Anna"), False),
        (Person("p", A, subject="*"), True),
        (Person("p", B, subject="*"), False),
        (Person("p", A, group="eng"), True),
        (Person("p", A, group="*"), False),
    ],
)
def test_people_are_known_by_issuer_and_subject_or_group(person: Person, fits: bool) -> None:
    assert person.fits(A, "anna", frozenset({"eng"})) is fits
