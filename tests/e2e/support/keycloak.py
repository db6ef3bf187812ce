"""Keycloak as somebody's identity provider: a realm with clients, people and groups, made by its own API."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.support.browser import CALLBACK, Browser, authorize
from tests.e2e.support.processes import LOOPBACK, child, free_port
from tests.e2e.support.provider import DESK, secret_of

Json = dict[str, Any]

REALM = "acme"
PASSWORD = "correct-horse"
START_S = 400.0
_ADMIN = "admin"
_MEMORY = {"JAVA_OPTS_APPEND": "-Xmx700m"}
_BOOTSTRAP = {"KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD}


class Keycloak:
    """One realm of one that runs."""

    def __init__(self, url: str, http: httpx2.Client) -> None:
        self.root = url
        self.url = f"{url}/realms/{REALM}"
        """The issuer."""
        self._http = http

    def answers(self) -> bool:
        try:
            return self._http.get(f"{self.root}/realms/master").status_code == 200
        except httpx2.HTTPError:
            return False

    def post(self, path: str, **form: str) -> Json:
        """What the token endpoint of the realm answers. Fails the test unless that is a token."""
        answer = self._http.post(f"{self.url}/protocol/openid-connect/{path}", data=form)
        assert answer.status_code == 200, answer.text
        said: Json = answer.json()
        return said

    def token(self, client: str, grant: str, **form: str) -> Json:
        """Of a confidential client."""
        form = {"client_id": client, "client_secret": secret_of(client), **form}
        return self.post("token", grant_type=grant, **form)

    def of_person(self, who: str, scope: str) -> Json:
        """What somebody gets who signs in at DESK and agrees: authorization code with PKCE."""
        with Browser(who, PASSWORD) as browser:
            code = authorize(browser, f"{self.url}/protocol/openid-connect/auth", DESK, scope=scope)
        return self.post("token", grant_type="authorization_code", client_id=DESK, **code)

    def make(self, resource: str, scopes: list[str], groups: dict[str, str]) -> None:
        """The realm: tokens for `resource`, of which the first of `scopes` is in every one; people with the
        group that each is in. Clients: `ci`, `helper` and DESK."""
        form = {"client_id": "admin-cli", "username": _ADMIN, "password": PASSWORD, "grant_type": "password"}
        answer = self._http.post(f"{self.root}/realms/master/protocol/openid-connect/token", data=form)
        self._http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        self._add("", {"realm": REALM, "enabled": True})
        realm = f"/{REALM}"
        self._add(f"{realm}/client-scopes", _scope("resource", _audience_of(resource), _groups()))
        for name in scopes:
            self._add(f"{realm}/client-scopes", _scope(name, shown=True))
        for client in _clients(["resource", scopes[0]], scopes[1:]):
            self._add(f"{realm}/clients", client)
        for group in sorted(set(groups.values())):
            self._add(f"{realm}/groups", {"name": group})
        for name, group in groups.items():
            self._add(f"{realm}/users", _person(name, group))
        del self._http.headers["Authorization"]

    def _add(self, path: str, member: Json) -> None:
        answer = self._http.post(f"{self.root}/admin/realms{path}", json=member)
        assert answer.status_code == 201, answer.text


def _scope(name: str, *mappers: Json, shown: bool = False) -> Json:
    attributes = {"include.in.token.scope": str(shown).lower()}
    return {
        "name": name,
        "protocol": "openid-connect",
        "attributes": attributes,
        "protocolMappers": list(mappers),
    }


def _audience_of(resource: str) -> Json:
    config = {"access.token.claim": "true", "included.custom.audience": resource}
    return _mapper("resource", "oidc-audience-mapper", config)


def _audience_too(client: str) -> Json:
    config = {"access.token.claim": "true", "included.client.audience": client}
    return _mapper(client, "oidc-audience-mapper", config)


def _groups() -> Json:
    config = {"claim.name": "groups", "full.path": "false", "access.token.claim": "true"}
    return _mapper("groups", "oidc-group-membership-mapper", config)


def _mapper(name: str, kind: str, config: Json) -> Json:
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config}


def _clients(always: list[str], optional: list[str]) -> list[Json]:
    usual = {
        "protocol": "openid-connect",
        "fullScopeAllowed": True,
        "defaultClientScopes": ["basic", "roles", "acr", "profile", *always],
        "optionalClientScopes": ["offline_access", *optional],
    }
    program = {"publicClient": False, "serviceAccountsEnabled": True, "standardFlowEnabled": False}
    exchange = {"attributes": {"standard.token.exchange.enabled": "true"}}
    people = {"publicClient": True, "standardFlowEnabled": True, "redirectUris": [CALLBACK]}
    # Who may exchange a token has to be in its audience.
    handed = [_audience_too("helper")]
    return [
        {"clientId": "ci", "secret": secret_of("ci"), **usual, **program},
        {"clientId": "helper", "secret": secret_of("helper"), **usual, **program, **exchange},
        {"clientId": DESK, **usual, **people, "protocolMappers": handed},
    ]


def _person(name: str, group: str) -> Json:
    return {
        "username": name,
        "enabled": True,
        "email": f"{name}@example.com",
        "emailVerified": True,
        "firstName": name,
        "lastName": "Example",
        "groups": [f"/{group}"],
        "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
    }


@contextmanager
def keycloak(home: Path, folder: Path) -> Iterator[Keycloak]:
    """The one at `home`, built by scripts/keycloak, with nothing in it yet."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    command = [str(home / "bin/kc.sh"), "start", "--optimized", "--http-enabled=true"]
    command += [f"--http-host={LOOPBACK}", f"--http-port={port}", f"--hostname={url}"]
    log = folder / "keycloak.log"
    with httpx2.Client(timeout=120) as http, child(command, log, {**_MEMORY, **_BOOTSTRAP}) as running:
        made = Keycloak(url, http)
        running.wait_until(made.answers, "Keycloak answers", START_S)
        yield made
