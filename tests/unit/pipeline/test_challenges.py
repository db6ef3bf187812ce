"""The exact challenges, field by field."""

import re

import pytest

from doorward.model.reasons import Reason
from doorward.pipeline.challenges import KEYS_ONLY, Challenges

METADATA = "https://gw.example/.well-known/oauth-protected-resource/mcp"
TOKENS = Challenges(METADATA, {None: ("read",), "crm": ("crm:read", "read")})
FORM = re.compile(rb'Bearer [a-z_]+="[^"\\]*"(, [a-z_]+="[^"\\]*")*')
"""RFC 9110 section 11.6.1: one challenge, each parameter a quoted string that needs no escapes."""


def test_with_keys_only_there_is_nobody_to_get_a_token_from() -> None:
    for endpoint in (None, "crm"):
        assert KEYS_ONLY.unauthorized(Reason.CREDENTIAL_MISSING, endpoint) == (
            b"www-authenticate",
            b'Bearer realm="doorward"',
        )
        refused = KEYS_ONLY.unauthorized(Reason.CREDENTIAL_REVOKED, endpoint)[1]
        assert refused == b'Bearer realm="doorward", error="invalid_token"'
        assert KEYS_ONLY.malformed(endpoint)[1] == b'Bearer realm="doorward", error="invalid_request"'


@pytest.mark.parametrize("reason", [one for one in Reason if one.value.startswith("credential_")])
def test_an_error_is_named_once_something_was_presented(reason: Reason) -> None:
    field = TOKENS.unauthorized(reason, None)[1].decode()
    assert ('error="invalid_token"' in field) is (reason is not Reason.CREDENTIAL_MISSING)


def test_each_endpoint_has_its_own_metadata_and_scopes() -> None:
    assert TOKENS.unauthorized(Reason.CREDENTIAL_MISSING, None)[1].decode() == (
        f'Bearer resource_metadata="{METADATA}", scope="read"'
    )
    assert TOKENS.unauthorized(Reason.CREDENTIAL_INVALID, "crm")[1].decode() == (
        f'Bearer resource_metadata="{METADATA}/crm", scope="crm:read read", error="invalid_token"'
    )
    assert TOKENS.unauthorized(Reason.CREDENTIAL_MISSING, "other")[1].decode() == (
        f'Bearer resource_metadata="{METADATA}/other"'
    )


@pytest.mark.parametrize("challenges", [KEYS_ONLY, TOKENS])
def test_every_field_is_one_well_formed_challenge(challenges: Challenges) -> None:
    fields = [
        challenges.unauthorized(Reason.CREDENTIAL_MISSING, "crm"),
        challenges.unauthorized(Reason.CREDENTIAL_EXPIRED, None),
        challenges.malformed("crm"),
        challenges.insufficient(("a", "b"), "crm", "more is needed"),
    ]
    assert all(name == b"www-authenticate" and FORM.fullmatch(value) for name, value in fields)
