import json
from typing import Any

import pytest

from doorward.identity import metadata
from doorward.identity.metadata import Metadata

ISSUER = "https://id.example.com/realms/x"


def read(issuer: str = ISSUER, **said: Any) -> Metadata:
    return metadata.read(json.dumps({"issuer": issuer} | said).encode(), ISSUER)


def test_it_is_looked_for_in_the_order_of_the_specification() -> None:
    assert metadata.locations(ISSUER) == (
        "https://id.example.com/.well-known/oauth-authorization-server/realms/x",
        "https://id.example.com/.well-known/openid-configuration/realms/x",
        "https://id.example.com/realms/x/.well-known/openid-configuration",
    )
    for issuer in ("https://id.example.com", "https://id.example.com/"):
        assert metadata.locations(issuer) == (
            "https://id.example.com/.well-known/oauth-authorization-server",
            "https://id.example.com/.well-known/openid-configuration",
        )
    assert metadata.locations("https://h:8443/a/")[2] == "https://h:8443/a/.well-known/openid-configuration"


def test_what_is_used_of_it() -> None:
    found = read(jwks_uri=f"{ISSUER}/keys", introspection_endpoint="https://else.example/i", other=1)
    assert found == Metadata(f"{ISSUER}/keys", "https://else.example/i")
    assert read() == Metadata(None, None)


@pytest.mark.parametrize(
    "issuer", ["https://id.example.com", f"{ISSUER}/", ISSUER.upper(), "https://id.example.com:443/realms/x"]
)
def test_another_issuer_than_the_one_that_was_asked_is_not_believed(issuer: str) -> None:
    with pytest.raises(ValueError, match="another issuer"):
        read(issuer)


@pytest.mark.parametrize(
    "document",
    [b"[]", b"<html>", b"", b'{"issuer":1}', b"{}", f'{{"issuer":"{ISSUER}","issuer":"{ISSUER}"}}'.encode()],
)
def test_what_is_no_metadata(document: bytes) -> None:
    with pytest.raises(ValueError, match="metadata"):
        metadata.read(document, ISSUER)


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/keys",
        "http://127.0.0.1/keys",
        "ftp://id.example.com/keys",
        "file:///etc/passwd",
        "/keys",
        "https://",
        "https://user@id.example.com/keys",
        "https://id.example.com/a b",
        "https://id.example.com/\u00e9",
        "https://[::1",
        1,
        ["https://id.example.com/keys"],
    ],
)
def test_it_sends_us_to_nobody_whom_anybody_can_play(url: Any) -> None:
    for name in ("jwks_uri", "introspection_endpoint"):
        with pytest.raises(ValueError, match=name):
            read(**{name: url})


def test_an_issuer_on_this_machine_may_be_asked_in_clear() -> None:
    issuer = "http://127.0.0.1:9000"
    document = json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/keys"}).encode()
    assert metadata.read(document, issuer).jwks_uri == f"{issuer}/keys"
    assert not metadata.may_be_asked("http://127.0.0.1.evil.example/keys")
    assert not metadata.may_be_asked("http://localhost@evil.example/keys")
