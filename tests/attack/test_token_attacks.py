"""What a token has to be: every way of the corpus to be something else is refused at the gateway's door."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doorward.backends.files.read import last_records
from tests import figures
from tests.attack.token_cases import CASES, now
from tests.attack.token_lab import PUBLIC, Lab, lab
from tests.support.tokens import b64

FEWEST = 60
refused: set[str] = set()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("tokens")) as made:
        yield made
    figures.show("attacks", token_cases=len(CASES), token_refused=len(refused))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(CASES) >= FEWEST


@pytest.mark.enable_socket
@pytest.mark.parametrize("name", CASES)
def test_refused(stage: Lab, name: str) -> None:
    case = CASES[name]
    token = case.token(stage)
    assert case.why in stage.why(token, case.endpoint)
    refused.add(name)
    if "\n" in token:
        return  # HTTP itself has no place for it, and `why` was asked behind HTTP
    answer = stage.post(bearer(token), "/mcp" + (f"/{case.endpoint}" if case.endpoint else ""))
    assert answer.status_code == case.status
    assert "Mcp-Session-Id" not in answer.headers
    if case.status == 401:
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert case.why not in answer.text


ACCEPTED: dict[str, Callable[[Lab], str]] = {
    "ES256": lambda stage: stage.a.token("k-ec"),
    "RS256": lambda stage: stage.a.token("k-rsa"),
    "EdDSA": lambda stage: stage.a.token("k-ed"),
    "PS256": lambda stage: stage.a.signed(
        stage.a.header("k-rsa", alg="PS256"), stage.a.claims(), "k-rsa", "PS256"
    ),
    "Ed25519 under its new name": lambda stage: stage.a.token("k-ed", {"alg": "Ed25519"}),
    "typ as a media type": lambda stage: stage.a.token(head={"typ": "application/at+jwt"}),
    "typ in capitals": lambda stage: stage.a.token(head={"typ": "AT+JWT"}),
    "with a thumbprint of its key's certificate": lambda stage: stage.a.token(head={"x5t": "abc"}),
    "aud a list with us in it": lambda stage: stage.a.token(aud=["https://else.example", f"{PUBLIC}/mcp"]),
    "no kid at an issuer with one key": lambda stage: stage.mints["single"].token(head={"kid": None}),
    "expired within what clocks may differ by": lambda stage: stage.a.token(exp=now(-20)),
    "not yet valid within it": lambda stage: stage.a.token(nbf=now(20), iat=now(20)),
    "nine years ahead": lambda stage: stage.a.token(exp=now(9 * 365 * 86400)),
    "ten actors": lambda stage: stage.a.token(act={"sub": "ci"}),
    "of the other issuer": lambda stage: stage.mints["b"].token(),
    "of a person": lambda stage: stage.a.token(sub="anna"),
    "with claims that nobody here reads": lambda stage: stage.a.token(team={"name": "x", "size": 2}),
    "may_act": lambda stage: stage.a.token(may_act={"sub": "somebody"}),
    "Entra": lambda stage: stage.mints["entra"].token(
        "e-rsa", {"typ": "JWT"}, tid="t1", oid="o", sub="o", azp="ci", client_id=None
    ),
    "Entra, the second tenant": lambda stage: stage.mints["entra"].token(
        "e-rsa", {"typ": "JWT"}, iss=f"{stage.issuer.url}/t2/v2.0", tid="t2", oid="o", sub="o", azp="ci"
    ),
    "Keycloak": lambda stage: stage.mints["keycloak"].token(head={"typ": "JWT"}, typ="Bearer", azp="ci"),
    "Okta": lambda stage: stage.mints["okta"].token(head={"typ": None}, cid="ci", scp=["crm:read"]),
    "Auth0": lambda stage: stage.mints["auth0"].token(head={"typ": "JWT"}, azp="ci"),
}


@pytest.mark.enable_socket
@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(stage: Lab, name: str) -> None:
    """Or refusing everything would be right."""
    token = ACCEPTED[name](stage)
    assert stage.why(token) == ""
    answer = stage.post(bearer(token))
    assert answer.status_code == 200
    assert answer.headers["mcp-session-id"]


@pytest.mark.enable_socket
def test_why_is_on_record_and_only_there(tmp_path: Path) -> None:
    """In a gateway of its own: of strangers' refusals only the first ten a minute are written singly."""
    with lab(tmp_path) as own:
        refusal = own.post(bearer(own.a.token(sub="anna", act="x", jti="CANARY-1")))
        assert refusal.status_code == 401
        assert own.post(bearer(own.a.token(sub="anna", act={"sub": "plan"}))).status_code == 200
        records = [json.loads(line) for line in last_records(tmp_path / "state" / "audit", 100)]
    told = [one for one in records if one["kind"] == "refusal"]
    assert [one["reason"] for one in told] == ["credential_invalid"]
    why = "delegation asserted but unreadable: act is no object; subject 'anna' and client 'ci' of "
    assert told[0]["detail"].startswith(why)
    assert "delegation" not in refusal.text
    (call,) = [one["actor"] for one in records if one["kind"] == "decision"]
    assert (call["subject"], call["human"], call["chain"][0]["subject"]) == ("anna", True, "plan")
    assert "CANARY" not in json.dumps(records)


@pytest.mark.enable_socket
def test_a_token_for_one_server_counts_there_only(stage: Lab) -> None:
    token = stage.a.token(aud=f"{PUBLIC}/mcp/echo")
    for _ in range(2):
        assert stage.post(bearer(token), "/mcp/echo").status_code == 200
        assert stage.post(bearer(token), "/mcp").status_code == 401
        assert stage.post(bearer(token), "/mcp/else").status_code == 401


@pytest.mark.enable_socket
def test_a_token_that_is_bound_to_a_certificate_counts_with_that_one_only(stage: Lab) -> None:
    token = stage.a.token(cnf={"x5t#S256": b64(hashlib.sha256(stage.mine.der).digest())})
    for _ in range(2):  # also once it is remembered
        assert stage.post(bearer(token), shown=stage.mine).status_code == 200
        assert stage.post(bearer(token), shown=stage.other).status_code == 401
        assert stage.post(bearer(token)).status_code == 401
    assert stage.judge(token, shown=stage.mine).strength == "bound token"


@pytest.mark.enable_socket
def test_a_certificate_alone_is_an_agent_when_one_matches(stage: Lab) -> None:
    assert stage.post({}, shown=stage.mine).status_code == 200
    assert stage.post({}, shown=stage.other).status_code == 403
    assert stage.post({}).status_code == 401


TWICE: dict[str, Callable[[str], list[tuple[str, str]]]] = {
    "two fields": lambda token: [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x")],
    "two equal fields": lambda token: [("Authorization", f"Bearer {token}")] * 2,
    "a key beside it": lambda token: [("Authorization", f"Bearer {token}"), ("X-Doorward-Key", "dw_live_x")],
    "itself beside it": lambda token: [("Authorization", f"Bearer {token}"), ("X-Doorward-Key", token)],
}


@pytest.mark.enable_socket
@pytest.mark.parametrize("name", TWICE)
def test_more_than_one_credential_is_refused(stage: Lab, name: str) -> None:
    assert stage.post(TWICE[name](stage.a.token())).status_code == 400


@pytest.mark.enable_socket
@pytest.mark.parametrize("path", ["/mcp?access_token=", "/mcp?a=b&access_token=", "/mcp/echo?access_token="])
@pytest.mark.parametrize("beside", [True, False])
def test_a_token_in_the_query_is_refused(stage: Lab, path: str, beside: bool) -> None:
    token = stage.a.token()
    assert stage.post(bearer(token) if beside else {}, path + token).status_code == 400


@pytest.mark.enable_socket
@pytest.mark.parametrize("scheme", ["Basic", "DPoP", "MAC", "bearer:", ""])
def test_other_schemes_are_refused(stage: Lab, scheme: str) -> None:
    """A DPoP token that is presented as it should be needs a proof, which nobody here checks yet."""
    fields: dict[str, Any] = {"Authorization": f"{scheme} {stage.a.token()}".strip()}
    assert stage.post(fields).status_code in (400, 401)


@pytest.mark.enable_socket
def test_what_was_accepted_and_revoked_is_refused(stage: Lab) -> None:
    """The issuer withdraws the key: what it signed counts no more, remembered or not."""
    mint = stage.mints["b"]
    token, other = mint.token("k-ed"), mint.token("k-ec")
    assert stage.post(bearer(token)).status_code == 200
    stage.issuer.publish("/b", mint.public("k-rsa", "k-ec"))
    stage.refresh(mint.issuer)
    assert "no key of the issuer" in stage.why(token)
    assert stage.post(bearer(token)).status_code == 401
    assert stage.post(bearer(other)).status_code == 200
