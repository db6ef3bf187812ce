"""Real TLS client certificates: a token that is bound to one (RFC 8705), and one that is an agent."""

import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.support import servers
from tests.e2e.support.clients import ERAS, TIMEOUT_S, names, text
from tests.e2e.support.gateway import Json
from tests.e2e.support.processes import LOOPBACK
from tests.e2e.support.provider import Provider, program, provider
from tests.e2e.support.raw import call, headers, request
from tests.e2e.support.secured import SecuredGateway
from tests.unit.identity.pki import Authority, write

READ = "files:read"
SPIFFE = "spiffe://example/agents/{}"


class House:
    """An issuer that asks clients for their certificates, and a gateway that does."""

    def __init__(self, folder: Path, issuer: Provider, ca: str, gw: SecuredGateway) -> None:
        """`ca`: a file with whom to trust at the issuer."""
        self._folder = folder
        self._issuer = issuer
        self._ca = ca
        self.gw = gw
        self.files = f"{gw.url}/mcp/files"

    def context(self, name: str | None, ca: str | None = None, **how: Any) -> ssl.SSLContext:
        """A client with the certificate of `name`, or with none. `how` it is issued, the first time."""
        context = ssl.create_default_context(cafile=ca or self.gw.ca)
        if name is not None:
            known = self._folder / f"{name}.pem", self._folder / f"{name}.key"
            if not known[0].exists():
                sans = [x509.UniformResourceIdentifier(SPIFFE.format(name))]
                self.gw.clients.issue(name, sans, **how).write(self._folder, name)
            context.load_cert_chain(*known)
        return context

    def token(self, client: str, name: str | None) -> str:
        """Asked for with the certificate of `name`."""
        return self._issuer.of_program(client, self.files, READ, self.context(name, self._ca))

    def ask(self, token: str | None, name: str | None, **how: Any) -> httpx2.Response:
        """A call with this token on a connection with this certificate."""
        with httpx2.Client(timeout=30, verify=self.context(name, **how)) as http:
            if token is not None:
                return call(http, self.files, token, "read_file", {"path": "a.txt"})
            fields = headers("", "tools/call", "read_file")
            del fields["Authorization"]
            body = request(1, "tools/call", {"name": "read_file", "arguments": {"path": "a.txt"}})
            return http.post(self.files, json=body, headers=fields)


class Resource(SecuredGateway):
    """With a public URL. Clients may present a certificate."""

    def write(self, config: Json) -> None:
        listen = {"listen": f"{LOOPBACK}:{self.port}", "state": "state", "public_url": self.url}
        super().write({"gateway": {**listen, "tls": self._tls}, **config})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    own, folder = tmp_path_factory.mktemp("issuer"), tmp_path_factory.mktemp("gateway")
    authority = Authority("servers of the issuer")
    ca = write(own / "ca.pem", authority.pem)
    cert, key = authority.server().write(own, "issuer")
    bound = program("bound", tls_client_certificate_bound_access_tokens=True)
    clients = [bound, program("free")]
    (folder / "documents").mkdir()
    (folder / "documents" / "a.txt").write_text("first\n")
    with provider(own, READ, clients=clients, tls={"cert": cert, "key": key, "ca": ca}) as issuer:
        made = Resource(
            folder, config(issuer.url, ca, folder), client_ca="clients.pem", client_cert="optional"
        )
        try:
            made.key("reader")
            made.start()
            yield House(own, issuer, ca, made)
        finally:
            made.sweep()


def config(issuer: str, ca: str, folder: Path) -> Json:
    grant = {"servers": ["files"], "tools": {"allow": ["*"]}}
    holder = [{"certificate": {"uri": SPIFFE.format("holder*")}}]
    return {
        "auth": {"keys": True, "certificates": True, "issuers": [{"issuer": issuer, "ca": ca}]},
        "servers": {"files": {"command": servers.files(folder / "documents"), "scopes": {"*": [READ]}}},
        "agents": {
            "reader": {"grants": [grant]},
            "tokens": {"match": [{"issuer": issuer, "client_id": "*"}], "grants": [grant]},
            "holder": {
                "match": holder,
                "grants": [{"servers": ["files"], "tools": {"allow": ["read_*"]}}],
            },
        },
    }


def test_a_bound_token_counts_with_its_certificate_only(house: House) -> None:
    token = house.token("bound", "thief")
    token, stolen = house.token("bound", "owner"), token
    answer = house.ask(token, "owner")
    assert answer.json()["result"]["content"][0]["text"] == "first\n"
    (*_, record) = house.gw.calls()
    assert record["actor"]["strength"] == "bound token"
    for bearer, name in ((token, None), (token, "thief"), (stolen, "owner")):
        answer = house.ask(bearer, name)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert "bound to a client certificate" in house.gw.refusals()[-1]["detail"]
    assert house.ask(stolen, "thief").status_code == 200, "whose it is may use it"


def test_a_token_that_is_bound_to_nothing_counts_anywhere(house: House) -> None:
    token = house.token("free", "owner")
    for name in (None, "owner", "thief"):
        assert house.ask(token, name).status_code == 200
    assert "strength" not in house.gw.calls()[-1]["actor"]


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_a_certificate_is_an_agent(house: House, mode: str) -> None:
    async with (
        httpx2.AsyncClient(timeout=TIMEOUT_S, verify=house.context("holder-1")) as http,
        Client(
            streamable_http_client(house.files, http_client=http), mode=mode, read_timeout_seconds=TIMEOUT_S
        ) as client,
    ):
        assert await names(client) == {"read_file"}
        assert text(await client.call_tool("read_file", {"path": "a.txt"})) == "first\n"
    actor = house.gw.calls()[-1]["actor"]
    assert (actor["agent"], actor["method"]) == ("holder", "certificate")
    assert actor["subject"] == SPIFFE.format("holder-1")


def test_other_certificates_are_nobody(house: House) -> None:
    answer = house.ask(None, "somebody")
    assert (answer.status_code, house.gw.refusals()[-1]["reason"]) == (403, "agent_unmatched")
    answer = house.ask(None, None)
    assert (answer.status_code, house.gw.refusals()[-1]["reason"]) == (401, "credential_missing")
    with pytest.raises(httpx2.TransportError):
        house.ask(None, "holder-late", lasts=dt.timedelta(minutes=-5))


def test_what_is_presented_counts_before_the_certificate(house: House) -> None:
    """Whoever presents a credential means it, and a bad one is not made good by a certificate."""
    for credential, agent in ((house.gw.key("reader"), "reader"), (house.token("free", None), "tokens")):
        assert house.ask(credential, "holder-1").status_code == 200
        assert house.gw.calls()[-1]["actor"]["agent"] == agent
    assert house.ask("not-a-key", "holder-1").status_code == 401
