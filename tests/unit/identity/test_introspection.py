import time
from typing import Any

import pytest

from doorward.identity import introspection
from doorward.identity.claims import Expired
from doorward.identity.introspection import Inactive
from doorward.identity.issuers import IntrospectionSettings, settings
from doorward.identity.principals import interpret
from doorward.identity.verify import Verified
from doorward.ports.fetch import Basic, Fetched, FetchFailed
from tests.unit.identity.fetching import json_of

ISSUER, RESOURCE = "https://id.example.com", "https://gw.example.com/mcp"
NOW = time.time()
OWN = introspection.adapted(settings(ISSUER))


def said(**more: Any) -> dict[str, Any]:
    usual = {"active": True, "aud": RESOURCE, "exp": int(NOW) + 60, "client_id": "ci", "sub": "anna"}
    return {name: value for name, value in (usual | more).items() if value is not None}


def judge(answer: Fetched) -> Verified:
    return introspection.judge(answer, OWN, OWN.names, RESOURCE, NOW)


def test_the_question_says_who_we_are_in_a_field_or_in_the_form() -> None:
    form, basic = introspection.question("tok", IntrospectionSettings("me", "s"))
    assert form == {"token": "tok", "token_type_hint": "access_token"}
    assert basic == Basic("me", "s")
    assert "***" in repr(basic)
    form, basic = introspection.question("tok", IntrospectionSettings("me", "s", method="post"))
    assert (form["client_id"], form["client_secret"], basic) == ("me", "s", None)


@pytest.mark.parametrize("more", [{}, {"token_type": "Bearer"}, {"token_type": "bearer"}, {"iss": ISSUER}])
def test_what_the_issuer_stands_for_counts(more: dict[str, Any]) -> None:
    found = judge(json_of(said(**more)))
    assert (found.issuer, found.until) == (ISSUER, int(NOW) + 90)


def test_an_answer_without_a_subject_is_about_the_client() -> None:
    found = interpret(judge(json_of(said(sub=None))).claims, OWN, ISSUER)
    assert (found.subject, found.client, found.human) == ("ci", "ci", False)


def test_a_configured_subject_is_one() -> None:
    own = introspection.adapted(settings(ISSUER, paths={"subject": ("username",)}))
    answer = json_of(said(sub=None, username="anna"))
    verified = introspection.judge(answer, own, own.names, RESOURCE, NOW)
    found = interpret(verified.claims, own, ISSUER)
    assert (found.subject, found.human) == ("anna", True)


def test_the_names_of_the_standard_count_at_every_product() -> None:
    okta = introspection.adapted(settings(ISSUER, "okta"))
    found = interpret(said(scope="a b"), okta, ISSUER)
    assert (found.client, found.scopes) == ("ci", {"a", "b"})


REFUSED: dict[str, dict[str, Any]] = {
    "no aud": {"aud": None},
    "another aud": {"aud": "https://else.example"},
    "no exp": {"exp": None},
    "exp with a fraction": {"exp": NOW + 60.5},
    "another issuer": {"iss": "https://else.example"},
    "an issuer that is no text": {"iss": [ISSUER]},
    "another kind": {"token_type": "DPoP"},
    "a refresh token": {"token_type": "refresh_token"},
    "a kind that is no text": {"token_type": 1},
    "an ID token": {"nonce": "n"},
    "a user without a subject": {"sub": None, "username": "anna"},
    "a person without a subject": {"sub": None, "email": "anna@example.com"},
    "a login without a subject": {"sub": None, "auth_time": int(NOW), "amr": ["pwd"]},
    "an actor for nobody who is named": {"sub": None, "act": {"sub": "helper"}},
    "bound to a key": {"cnf": {"jkt": "x"}},
}


@pytest.mark.parametrize("more", REFUSED.values(), ids=REFUSED)
def test_what_does_not_count_here(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        judge(json_of(said(**more)))
    assert not isinstance(caught.value, Inactive | Expired)


def test_what_does_not_count_any_more() -> None:
    with pytest.raises(Expired):
        judge(json_of(said(exp=int(NOW) - 31)))
    for answer in ({"active": False}, said(active=False)):
        with pytest.raises(Inactive):
            judge(json_of(answer))


NO_ANSWERS = {
    "unauthorized": json_of({"error": "invalid_client"}, 401),
    "broken": json_of({}, 500),
    "redirected": json_of(said(), 302),
    "a page": Fetched(200, b"<html>", "text/html"),
    "signed": Fetched(200, b"eyJ", "application/token-introspection+jwt"),
    "a list": json_of([said()]),
    "no JSON": json_of("{"),
    "active twice": json_of('{"active":false,"active":true}'),
    "active in capitals": json_of({"Active": True}),
    "active as text": json_of(said(active="true")),
    "active as a number": json_of(said(active=1)),
    "not said": json_of({"aud": RESOURCE}),
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_answer_says_nothing_about_the_token(answer: Fetched) -> None:
    with pytest.raises(FetchFailed):
        judge(answer)
