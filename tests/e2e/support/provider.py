"""npm's oidc-provider as the authorization server of a test, and tokens of it without a client's SDK."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.support.actors import NODE
from tests.e2e.support.browser import CALLBACK, Browser, authorize
from tests.e2e.support.processes import LOOPBACK, Child, free_port
from tests.e2e.support.servers import node, node_modules

Json = dict[str, Any]

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
DESK = "desk"
"""A public client that people use; everybody may be one."""


def program(name: str, *grants: str, **more: Any) -> Json:
    """A confidential client that acts for itself, or for whose token it was given."""
    return {
        "client_id": name,
        "client_secret": secret_of(name),
        "grant_types": ["client_credentials", *grants],
        "redirect_uris": [],
        "response_types": [],
        **more,
    }


def public(name: str = DESK) -> Json:
    """A client that people use on their own machines (RFC 8252)."""
    return {
        "client_id": name,
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [CALLBACK],
        "response_types": ["code"],
    }


def secret_of(client: str) -> str:
    return f"the-secret-of-{client}-and-of-nobody-else"


class Provider:
    """One issuer. It may be stopped, and started again with other keys and without its memory."""

    def __init__(self, folder: Path, scopes: str, name: str = "provider", **settings: Any) -> None:
        """`settings`: what provider.mjs takes, but the port."""
        self.port = free_port()
        self._log = folder / f"{name}.log"
        self._settings = {"port": self.port, "scopes": scopes, **settings}
        self._tls: Json | None = settings.get("tls")
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}"

    def start(self, **changed: Any) -> None:
        """`changed`: settings."""
        self._settings |= changed
        node_modules()
        command = [node(), str(NODE / "provider.mjs"), json.dumps(self._settings)]
        self._child = Child(command, self._log, {"NODE_NO_WARNINGS": "1"})
        self._child.wait_until(self._answers, "the provider answers")

    def stop(self) -> None:
        """It is gone; whoever asks finds nobody."""
        if self._child is not None:
            self._child.sweep()
            self._child = None

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def http(self, **options: Any) -> httpx2.Client:
        return httpx2.Client(timeout=60, **{"verify": self._trust(), **options})

    def metadata(self) -> Json:
        with self.http() as http:
            said: Json = http.get(f"{self.url}/.well-known/oauth-authorization-server").json()
            return said

    def tell(self, what: str, **query: Any) -> Any:
        """Something under /test of provider.mjs."""
        with self.http() as http:
            return http.get(f"{self.url}/test/{what}", params=query).raise_for_status().json()

    def post(self, path: str, client: str | None = None, tls: Any = None, **form: Any) -> httpx2.Response:
        """A form, of a confidential client when it has a name."""
        auth = None if client is None else httpx2.BasicAuth(client, secret_of(client))
        with self.http(**({} if tls is None else {"verify": tls})) as http:
            return http.post(f"{self.url}/{path}", data=form, auth=auth)

    def grant(self, client: str | None = None, tls: Any = None, **form: Any) -> Json:
        """What the token endpoint answers. Fails the test unless that is a token."""
        answer = self.post("token", client, tls, **form)
        assert answer.status_code == 200, f"{answer.text}\n{self.said()[-2000:]}"
        said: Json = answer.json()
        return said

    def of_program(self, client: str, resource: str, scope: str = "", tls: Any = None) -> str:
        """A token by client credentials."""
        form = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
        token: str = self.grant(client, tls, **form)["access_token"]
        return token

    def of_person(self, who: str, resource: str, scope: str = "", client: str = DESK) -> Json:
        """What somebody gets who signs in and agrees: authorization code with PKCE."""
        with Browser(who, verify=self._trust()) as browser:
            code = authorize(browser, f"{self.url}/auth", client, scope=scope, resource=resource)
        return self.grant(grant_type="authorization_code", client_id=client, resource=resource, **code)

    def acting(self, client: str, subject: str, resource: str, scope: str) -> str:
        """A token with which `client` acts for whom `subject`, a token, is about (RFC 8693)."""
        form = {"subject_token": subject, "subject_token_type": ACCESS_TOKEN, "scope": scope}
        token: str = self.grant(client, grant_type=EXCHANGE, resource=resource, **form)["access_token"]
        return token

    def _trust(self) -> ssl.SSLContext | bool:
        return ssl.create_default_context(cafile=self._tls["ca"]) if self._tls else True

    def _answers(self) -> bool:
        try:
            return self.metadata()["issuer"] == self._settings.get("issuer", self.url)
        except httpx2.HTTPError:
            return False


@contextmanager
def provider(folder: Path, scopes: str, name: str = "provider", **settings: Any) -> Iterator[Provider]:
    """One that answers, for a while."""
    made = Provider(folder, scopes, name, **settings)
    try:
        made.start()
        yield made
    finally:
        made.stop()
