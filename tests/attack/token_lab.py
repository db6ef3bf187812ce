"""A whole gateway behind TLS, with issuers of every kind, in a thread of its own; tests ask it over HTTP."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from doorward.app.identity import Issuers
from doorward.app.listener import SecureListener
from doorward.app.process import Process
from doorward.config.load import load
from doorward.identity import certificate
from doorward.model.call import Credential
from doorward.model.errors import DoorwardError
from doorward.model.principal import Principal
from tests.support.issuer import FakeIssuer, said, serving
from tests.support.tokens import Mint
from tests.unit.identity.pki import Authority, Issued, write

PUBLIC = "https://gw.example.com"
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "attacker", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
NAMES = ("a", "b", "narrow", "single", "known", "opaque", "keycloak", "okta", "auth0", "liar")
Json = dict[str, Any]


class Lab:
    """`mints` by issuer; `issuer` is the machine on which all of them live."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.issuer = FakeIssuer()
        self.mints: dict[str, Mint] = {}
        self.authority = Authority()
        self.mine, self.other = self.authority.issue("ci"), self.authority.issue("somebody")
        self.url = ""
        self.process: Process
        self.loop: asyncio.AbstractEventLoop
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._failed: BaseException | None = None

    @property
    def a(self) -> Mint:
        return self.mints["a"]

    def post(
        self,
        headers: Json | list[tuple[str, str]],
        path: str = "/mcp",
        shown: Issued | None = None,
    ) -> httpx2.Response:
        """`initialize` with these fields beside the usual ones, over a connection of its own."""
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        if shown is not None:
            context.load_cert_chain(*shown.write(self.folder, "shown"))
        fields = [*ACCEPT.items(), *(headers.items() if isinstance(headers, dict) else headers)]
        with httpx2.Client(verify=context, trust_env=False, timeout=30) as client:
            return client.post(self.url + path, content=json.dumps(HELLO), headers=fields)

    def judge(self, token: str, endpoint: str | None = None, shown: Issued | None = None) -> Principal:
        """What the gateway finds out about it. Raises DoorwardError, whose text is for the record."""
        proven = None if shown is None else certificate.read(shown.der)
        credential = Credential(token, "127.0.0.1", False, False, proven)
        asking = self.process.world.directory.ask(credential, endpoint)
        return asyncio.run_coroutine_threadsafe(asking, self.loop).result(30)

    def why(self, token: str, endpoint: str | None = None, shown: Issued | None = None) -> str:
        """The record's text of a refusal; empty when it is let in."""
        try:
            self.judge(token, endpoint, shown)
        except DoorwardError as error:
            return f"{error.reason.value}: {error.message}"
        return ""

    def refresh(self, issuer: str) -> None:
        """What the background does every quarter of an hour."""
        issuers = self.process._issuers
        assert issuers is not None
        keys = next(one for one in issuers._known.values() if one.settings.issuer == issuer)
        asyncio.run_coroutine_threadsafe(keys.refresh(), self.loop).result(30)

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._failed = error
            self._ready.set()
            raise

    def wait(self) -> None:
        assert self._ready.wait(60)
        assert self._failed is None, self._failed

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        async with serving(self.issuer):
            self._publish()
            self.process = await Process.open(load(self._config()), Issuers)
            try:
                self.url = (await self.process.listen(lambda _: None, SecureListener))[0].removesuffix("/mcp")
                self._ready.set()
                await self._stop.wait()
                await self.process.drain(1.0)
            finally:
                await self.process.close()

    def _publish(self) -> None:
        for name in NAMES:
            mint = self.mints[name] = Mint(f"{self.issuer.url}/{name}", f"{PUBLIC}/mcp")
            self.issuer.publish(f"/{name}", mint.public(*(["k-ec"] if name == "single" else [])))
        entra = self.mints["entra"] = Mint(f"{self.issuer.url}/t1/v2.0", "api-guid", kids="e")
        self.issuer.publish("/common/v2.0", entra.public())
        self.issuer.publish("/common/v2.0", entra.public(), issuer=f"{self.issuer.url}/{{tenantid}}/v2.0")
        location = "/.well-known/oauth-authorization-server/liar"
        self.issuer.documents[location] = said(
            {"issuer": self.mints["a"].issuer, "jwks_uri": f"{self.mints['liar'].issuer}/jwks"}
        )
        self.mints["mute"] = Mint(f"{self.issuer.url}/mute", f"{PUBLIC}/mcp")

    def _config(self) -> Path:
        named = {name: mint.issuer for name, mint in self.mints.items()}
        extra: dict[str, Json] = {
            "narrow": {"algorithms": ["RS256"]},
            "single": {"single_key": True},
            "known": {"actors": "known"},
            "opaque": {"introspection": {"client_id": "gate way", "client_secret": "s3cret/+"}},
            "keycloak": {"preset": "keycloak"},
            "okta": {"preset": "okta"},
            "auth0": {"preset": "auth0"},
        }
        issuers = [{"issuer": named[name], **extra.get(name, {})} for name in (*NAMES, "mute")]
        template = f"{self.issuer.url}/{{tenantid}}/v2.0"
        entra = {"preset": "entra", "tenants": ["t1", "t2"], "audience": ["api-guid"]}
        issuers.append({"issuer": template, **entra})
        own = [{"issuer": one["issuer"], "client_id": "ci"} for one in issuers]
        shared = {"issuer": named["a"], "client_id": "both"}
        grants = {"servers": ["*"], "tools": {"allow": ["*"]}}
        cert, key = self.authority.server().write(self.folder, "gateway")
        config = {
            "version": 1,
            "gateway": {
                "listen": "127.0.0.1:0",
                "state": "state",
                "public_url": PUBLIC,
                "tls": {
                    "cert": cert,
                    "key": key,
                    "client_ca": write(self.folder / "ca.pem", self.authority.pem),
                },
            },
            "auth": {"keys": True, "certificates": True, "issuers": issuers},
            "servers": {"echo": {"url": "http://127.0.0.1:9/mcp"}},
            "agents": {
                "ci": {"match": own, "grants": [grants]},
                "one": {"match": [shared, {"certificate": {"subject": "CN=ci"}}], "grants": [grants]},
                "two": {"match": [shared], "grants": [grants]},
            },
            "people": [{"issuer": named["a"], "sub": "anna", "grants": [grants]}],
        }
        config["gateway"]["tls"]["client_cert"] = "optional"  # type: ignore[index]
        file = self.folder / "doorward.yaml"
        file.write_text(json.dumps(config), encoding="utf-8")
        return file


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    made = Lab(folder)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        made.wait()
        yield made
    finally:
        if hasattr(made, "loop") and not made.loop.is_closed():
            made.stop()
        thread.join(30)
