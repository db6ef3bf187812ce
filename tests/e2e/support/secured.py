"""A gateway behind TLS, with authorities of its own."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.support import servers
from tests.e2e.support.gateway import Gateway, Json
from tests.e2e.support.processes import LOOPBACK
from tests.e2e.support.raw import list_tools
from tests.unit.identity.pki import Authority, write


class SecuredGateway(Gateway):
    """`gateway.tls` with files in its own folder: gateway.pem, gateway.key, clients.pem."""

    def __init__(self, folder: Path, config: Json, **tls: str) -> None:
        self.authority, self.clients = Authority("servers"), Authority("clients")
        self._tls = {"cert": "gateway.pem", "key": "gateway.key", **tls}
        self.ca = write(folder / "ca.pem", self.authority.pem)
        self.client_cert, self.client_key = self.clients.issue("agent x").write(folder, "client")
        write(folder / "clients.pem", self.clients.pem)
        self.authority.server().write(folder, "gateway")
        super().__init__(folder, config)

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"

    def write(self, config: Json) -> None:
        self.content = config
        gateway = {"listen": f"{LOOPBACK}:{self.port}", "state": "state", "tls": self._tls}
        super().write({"gateway": gateway, **config})

    def reconfigure(self, **tls: str) -> None:
        """Other members of `gateway.tls` in the configuration of a running gateway."""
        self._tls = {**self._tls, **tls}
        self.write(self.content)

    def trust(self, *, identity: bool = True) -> ssl.SSLContext:
        """A client's context."""
        context = ssl.create_default_context(cafile=self.ca)
        if identity:
            context.load_cert_chain(self.client_cert, self.client_key)
        return context

    def settled(self) -> bool:
        if not self.ready():
            return False
        with httpx2.Client(timeout=30, verify=self.trust()) as http:
            listed = list_tools(http, f"{self.url}/mcp/files", self.key("reader"))
            return bool(listed.get("result", {}).get("tools"))

    def readyz(self) -> httpx2.Response:
        return httpx2.get(f"{self.url}/readyz", timeout=5, verify=self.trust())


@contextmanager
def secured(folder: Path, **tls: str) -> Iterator[SecuredGateway]:
    """A ready one that lets `reader` read files."""
    documents = folder / "documents"
    documents.mkdir()
    (documents / "a.txt").write_text("first\n")
    config: dict[str, Any] = {
        "servers": {"files": {"command": servers.files(documents), "shared": True}},
        "agents": {"reader": {"servers": ["files"], "tools": {"allow": ["*"]}}},
    }
    made = SecuredGateway(folder, config, **tls)
    made.key("reader")
    try:
        made.start()
        yield made
    finally:
        made.sweep()
