"""The gateway as a protected resource: all of it from the configuration, nothing from a request."""

from pathlib import Path

import msgspec

from doorward.app.resource import challenges, discovery, needed
from doorward.config.load import parse
from doorward.config.settings import Settings
from doorward.model.reasons import Reason
from doorward.pipeline.challenges import KEYS_ONLY

ISSUERS = """
    - issuer: https://id.example/realms/x
    - issuer: https://login.example/{tenantid}/v2.0
      preset: entra
      audience: [api]
      tenants: [one, two]
"""


def settings(url: str = "https://gw.example", servers: str = "{}", more: str = "") -> Settings:
    text = f"version: 1\ngateway:\n  public_url: {url}\n{more}auth:\n  issuers:{ISSUERS}servers: {servers}\n"
    return parse(text, path=Path("doorward.yaml"), environ={}).settings


def field(of: Settings, endpoint: str | None) -> str:
    return challenges(of).unauthorized(Reason.CREDENTIAL_MISSING, endpoint)[1].decode()


def test_keys_alone_need_no_metadata() -> None:
    alone = parse("version: 1", path=Path("doorward.yaml"), environ={}).settings
    assert challenges(alone) is KEYS_ONLY
    assert discovery(alone) is None


def test_challenge_and_document_agree_on_every_endpoint() -> None:
    for url in ("https://gw.example", "https://gw.example:8443/tools", "http://127.0.0.1:7420"):
        of = settings(url)
        found = discovery(of)
        assert found is not None
        for endpoint, path in ((None, "/mcp"), ("crm", "/mcp/crm")):
            where = field(of, endpoint).split('"')[1]
            origin = "/".join(url.split("/")[:3])
            assert where.startswith(f"{origin}/.well-known/oauth-protected-resource")
            document = found.document(where.removeprefix(origin))
            assert document is not None
            assert msgspec.json.decode(document)["resource"] == url + path


def test_a_template_stands_for_each_tenant() -> None:
    found = discovery(settings())
    assert found is not None
    assert found.issuers == (
        "https://id.example/realms/x",
        "https://login.example/one/v2.0",
        "https://login.example/two/v2.0",
    )


def test_an_endpoint_needs_what_everything_behind_it_needs() -> None:
    servers = (
        '{crm: {command: [a], scopes: {"*": [read, "crm:read"], "del*": [admin]}},'
        ' mail: {command: [b], scopes: {"*": ["mail:read", read]}}}'
    )
    assert needed(settings(servers=servers)) == {
        None: ("read",),
        "crm": ("read", "crm:read"),
        "mail": ("mail:read", "read"),
    }
    assert needed(settings(servers=servers.replace("}}}", "}}, wiki: {command: [c]}}"))).keys() == {
        "crm",
        "mail",
    }
    assert needed(settings()) == {}
    assert field(settings(servers=servers), "mail").endswith('scope="mail:read read"')


def test_bound_tokens_need_our_own_listener() -> None:
    of = settings(more="  tls: {cert: c.pem, key: k.pem, client_ca: ca.pem}\n")
    found = discovery(of)
    assert found is not None
    assert found.bound
