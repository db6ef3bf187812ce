"""Clients sign in at a gateway that is reached through nginx: over its TLS, below a path of its own,
with all servers behind one endpoint."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.attack.nginx import KEPT, nginx
from tests.e2e.support.browser import Browser
from tests.e2e.support.gateway import Json
from tests.e2e.support.oauth import PROGRAMS, Program, tell
from tests.e2e.support.processes import LOOPBACK, free_port, listens, wait_until
from tests.e2e.support.provider import DESK, Provider, provider, public
from tests.e2e.support.resource import ADMIN, EVERYTHING, READ, ResourceServer, crm
from tests.unit.identity.pki import Authority, write

PATH = "/gateway"
TOLD = (
    KEPT
    + """
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
"""
)
FACE = """
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    location {path}/ {{ proxy_pass http://behind/; {told} }}
"""
"""The well-known URLs of a resource stand before its path (RFC 9728 section 3.1): `location /` has them."""
KNOWN = [program for program in PROGRAMS if program.known == "before"]


class Behind(ResourceServer):
    """It listens on a port that only nginx knows."""

    def __init__(self, folder: Path, config: Json, public: str) -> None:
        self.public = public
        super().__init__(folder, config)

    def write(self, config: Json) -> None:
        gateway = {
            "listen": f"{LOOPBACK}:{self.port}",
            "state": "state",
            "public_url": self.public,
            "trusted_proxies": [LOOPBACK],
        }
        super().write({"gateway": gateway, **config})

    @property
    def crm(self) -> str:
        return f"{self.public}/mcp/crm"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("issuer"), f"{READ} {ADMIN}", clients=[public()]) as made:
        yield made


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whom to trust, beside `proxy.pem` and `proxy.key`."""
    folder, authority = tmp_path_factory.mktemp("proxy"), Authority()
    authority.server().write(folder, "proxy")
    return Path(write(folder / "ca.pem", authority.pem))


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory, issuer: Provider, ca: Path) -> Iterator[Behind]:
    folder, port = tmp_path_factory.mktemp("gateway"), free_port()
    with crm(folder) as entry:
        desk = {"match": [{"issuer": issuer.url, "client_id": DESK}], "grants": [EVERYTHING]}
        config = {
            "auth": {"keys": True, "issuers": [{"issuer": issuer.url}]},
            "servers": {"crm": entry},
            "agents": {"desk": desk},
            "people": [{"issuer": issuer.url, "sub": "*", "grants": [EVERYTHING]}],
        }
        made = Behind(folder, config, f"https://{LOOPBACK}:{port}{PATH}")
        made.key("desk")
        face = FACE.format(
            port=port, cert=ca.with_name("proxy.pem"), key=ca.with_name("proxy.key"), path=PATH, told=TOLD
        )
        try:
            made.start(settled=False)
            with nginx(ca.parent, made.port, {"front": (TOLD, face)}):
                wait_until(lambda: listens(port), "nginx listens")
                yield made
        finally:
            made.sweep()


@pytest.mark.parametrize("program", KNOWN, ids=lambda program: program.name)
def test_the_whole_flow(
    gw: Behind, issuer: Provider, ca: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        monkeypatch.setenv(variable, str(ca))
    victim = 2 + KNOWN.index(program)
    known = {"url": f"{gw.public}/mcp", "prefix": "crm__", "issuer": issuer.url, "client": DESK}
    with Browser("anna") as browser:
        lines = tell(program, browser, {**known, "rest": 0, "victim": victim})
    said = {name: value for line in lines for name, value in line.items()}
    assert said["deleted"] == {"text": f"deleted customer {victim}", "error": False}
    assert parse_qs(urlsplit(said["authorize"]).query)["resource"] == [f"{gw.public}/mcp"]


def test_what_is_told_is_the_public_url(gw: Behind, issuer: Provider, ca: Path) -> None:
    with httpx2.Client(verify=ssl.create_default_context(cafile=ca), timeout=30) as http:
        answer = http.post(gw.crm, json={})
        origin = gw.public.removesuffix(PATH)
        metadata = f"{origin}/.well-known/oauth-protected-resource{PATH}/mcp/crm"
        assert f'resource_metadata="{metadata}"' in answer.headers["www-authenticate"]
        assert http.get(metadata).json()["resource"] == gw.crm
