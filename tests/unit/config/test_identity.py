"""Who may be asking, as the document says it. What it refuses stands in golden/."""

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.config.errors import ConfigError
from doorward.config.identity import ALGORITHMS, Auth, claim_path
from doorward.config.load import Loaded, parse
from doorward.config.policy import policy_spec
from doorward.config.schema import json_schema
from doorward.model.grants import ScopeRule
from doorward.model.verdict import RuleRef

TEXT = r"""
version: 1
gateway:
  public_url: https://gw.example.com
  tls: {cert: c.pem, key: k.pem, client_ca: ca.pem}
auth:
  keys: true
  certificates: true
  stale_after: 10m
  issuers:
    - issuer: https://id.example.com/realms/x
      preset: keycloak
      audience: [api]
      algorithms: [ES256, EdDSA]
      typ: [JWT]
      introspection: {client_id: us, client_secret: "${env:SECRET}"}
      claims: {roles: realm_access.roles, groups: 'https://example\.com/groups'}
      skew: 5m
      actors: known
    - issuer: http://127.0.0.1:9000
    - issuer: https://login.example/{tenantid}/v2.0
      preset: entra
      audience: [00000000-aaaa]
      tenants: [one, two]
servers:
  crm:
    command: [crm]
    scopes: {"delete_*": ["crm:admin"], "*": ["crm:read"]}
agents:
  ci:
    match:
      - {issuer: "https://id.example.com/realms/x", client_id: app, claims: {azp: app, deep.er: [1, x, true]}}
      - {certificate: {sha256: "${env:THUMBPRINT}"}}
people:
  - {issuer: "http://127.0.0.1:9000", sub: "*", servers: [crm], tools: {allow: [get]}}
  - issuer: http://127.0.0.1:9000
    group: eng
    grants:
      - {servers: [crm], tools: {allow: ["*"]}}
"""


def of(text: str, **environ: str) -> Loaded:
    return parse(text, path=Path("conf/doorward.yaml"), environ=environ)


LOADED = of(TEXT, SECRET="literal-secret", THUMBPRINT=":".join(["AB:CD:EF:01:23:45:67:89"] * 4))
SETTINGS = LOADED.settings


def test_issuers_are_read_with_their_presets_and_limits() -> None:
    auth = SETTINGS.auth
    assert isinstance(auth, Auth)
    assert (auth.keys, auth.certificates, auth.stale_after) == (True, True, 600.0)
    keycloak, local, entra = SETTINGS.issuers
    assert (keycloak.algorithms, keycloak.typ, keycloak.skew) == (("ES256", "EdDSA"), ("JWT",), 300.0)
    assert keycloak.introspection is not None
    assert keycloak.introspection.client_secret.reveal() == "literal-secret"
    assert "literal-secret" not in repr(SETTINGS)
    assert claim_path(keycloak.claims.roles or "") == ("realm_access", "roles")
    assert claim_path(keycloak.claims.groups or "") == ("https://example.com/groups",)
    assert (local.preset, local.algorithms, local.typ, local.actors) == (
        "generic",
        ALGORITHMS,
        None,
        "record",
    )
    assert entra.tenants == ("one", "two")


def test_no_algorithm_is_symmetric() -> None:
    assert not [name for name in ALGORITHMS if name.startswith(("HS", "none"))]


def test_matches_keep_types_and_forms() -> None:
    token, certificate = SETTINGS.agents["ci"].match
    assert (token.issuer, token.client_id, token.sub) == ("https://id.example.com/realms/x", "app", None)
    assert token.claims == {"azp": ("app",), "deep.er": (1, "x", True)}
    assert certificate.certificate is not None
    assert certificate.certificate.sha256 == "abcdef0123456789" * 4


def test_without_auth_keys_are_accepted_and_no_issuer_is() -> None:
    settings = of("version: 1").settings
    assert settings.auth == Auth(keys=True)
    assert settings.issuers == ()
    assert of("version: 1\nauth: none").settings.issuers == ()


def test_people_become_rule_sets_that_no_agent_can_be_called_by() -> None:
    spec = policy_spec(LOADED)
    assert set(spec.agents) == {"ci", "@people/0", "@people/1"}
    first, second = spec.agents["@people/0"], spec.agents["@people/1"]
    assert first.grants[0].tools.allow[0].at == RuleRef("people[0].tools.allow[0]", "conf/doorward.yaml", 35)
    assert second.grants[0].at.id == "people[1].grants[0]"
    assert spec.scopes == {"crm": (ScopeRule("delete_*", ("crm:admin",)), ScopeRule("*", ("crm:read",)))}


def test_what_people_may_is_part_of_the_revision() -> None:
    text = TEXT.replace("allow: [get]", 'allow: ["${env:TOOL}"]')
    one, same, other = (
        of(text, SECRET="s", THUMBPRINT="ab" * 32, TOOL=tool) for tool in ("get", "get", "put")
    )
    assert one.digest == same.digest != other.digest


TEMPLATE = "https://login.example/{tenantid}"


@pytest.mark.parametrize(
    ("second", "fits"),
    [
        ({"issuer": "https://login.example/t1"}, False),
        ({"issuer": "https://login.example/t3"}, True),
        ({"issuer": "https://login.example/{tenantid}", "tenants": ["t3"]}, False),
        ({"issuer": "https://{tenantid}/t2", "tenants": ["login.example"]}, False),
        ({"issuer": "https://{tenantid}/t2", "tenants": ["else.example"]}, True),
    ],
)
def test_no_issuer_stands_in_two_entries(second: dict[str, Any], fits: bool) -> None:
    """Or the last one would judge by its rules what the other's tokens are."""
    document = {
        "version": 1,
        "gateway": {"public_url": "https://gw.example.com"},
        "auth": {"issuers": [{"issuer": TEMPLATE, "tenants": ["t1", "t2"]}, second]},
        "servers": {"crm": {"command": ["x"]}},
        "agents": {"ci": {"match": [{"issuer": TEMPLATE, "client_id": "ci"}]}},
    }
    text = json.dumps(document)
    if fits:
        assert len(of(text).settings.issuers) == 2
        return
    with pytest.raises(ConfigError, match="here twice"):
        of(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        (r"a\.b.c", ("a.b", "c")),
        (r"a\\.b", ("a\\", "b")),
        ("https://x/y", ("https://x/y",)),
    ],
)
def test_a_claim_is_found_by_its_path(text: str, path: tuple[str, ...]) -> None:
    assert claim_path(text) == path


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a\\", r"a\b"])
def test_a_path_without_meaning_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="joined with dots"):
        claim_path(text)


def test_the_schema_knows_what_goes_together() -> None:
    found = json_schema()["$defs"]
    assert found["Person"]["oneOf"] == [{"required": ["sub"]}, {"required": ["group"]}]
    assert found["Match"]["oneOf"] == [{"required": ["issuer"]}, {"required": ["certificate"]}]
    assert found["CertificateMatch"]["additionalProperties"] is False
    assert found["Issuer"]["required"] == ["issuer"]
    assert "servers" in found["Person"]["properties"]
