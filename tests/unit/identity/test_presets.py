from typing import Any

import pytest

from doorward.identity.presets import PRESETS

MACHINES: list[tuple[str, dict[str, Any], str, str | None, bool]] = [
    ("generic", {}, "ci", "ci", True),
    ("generic", {}, "anna", "ci", False),
    ("entra", {"idtyp": "app", "scp": "x"}, "o", "c", True),
    ("entra", {"idtyp": "user", "sub": "o", "oid": "o"}, "o", "c", False),
    ("entra", {"sub": "o", "oid": "o"}, "o", "c", True),
    ("entra", {"sub": "pairwise", "oid": "o"}, "o", "c", False),
    ("entra", {"sub": "o", "oid": "o", "scp": "Mail.Read"}, "o", "c", False),
    ("entra", {}, "o", "c", False),
    ("okta", {}, "c", "c", True),
    ("okta", {"uid": "00u"}, "c", "c", False),
    ("okta", {"uid": "00u"}, "anna@example.com", "c", False),
    ("keycloak", {"preferred_username": "service-account-ci", "client_id": "CI"}, "uuid", "CI", True),
    ("keycloak", {"preferred_username": "service-account-ci"}, "uuid", "ci", False),
    ("keycloak", {"preferred_username": "anna", "client_id": "ci"}, "uuid", "ci", False),
    ("keycloak", {"preferred_username": "service-account-cd", "client_id": "ci"}, "uuid", "ci", False),
    ("auth0", {}, "c@clients", "c", True),
    ("auth0", {}, "auth0|anna@clients", "c", False),
    ("auth0", {}, "c@clients", None, False),
]


@pytest.mark.parametrize(("preset", "claims", "subject", "client", "machine"), MACHINES)
def test_only_what_is_said_of_no_person_makes_a_machine(
    preset: str, claims: dict[str, Any], subject: str, client: str | None, machine: bool
) -> None:
    assert PRESETS[preset].machine(claims, subject, client) is machine


def test_a_type_is_asked_of_every_token_but_where_the_product_sets_none() -> None:
    for name, preset in PRESETS.items():
        assert "at+jwt" in preset.typ
        assert (None in preset.typ) == (name == "okta")
        assert ("jwt" in preset.typ) == (name != "generic")
        assert preset.typ.isdisjoint({"dpop+jwt", "oauth-id-jag+jwt", "logout+jwt", "secevent+jwt"})
