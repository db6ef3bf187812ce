"""Keycloak as the issuer. Only `make keycloak` fetches and runs it: it takes 120 MB and a minute."""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.e2e.support.browser import Browser
from tests.e2e.support.gateway import Json
from tests.e2e.support.keycloak import PASSWORD, REALM, Keycloak, keycloak
from tests.e2e.support.oauth import PROGRAMS, Program, tell
from tests.e2e.support.provider import ACCESS_TOKEN, DESK, EXCHANGE
from tests.e2e.support.raw import call, list_tools
from tests.e2e.support.resource import ADMIN, EVERYTHING, READ, READING, ResourceServer, crm, resource_server

HOME = "DOORWARD_KEYCLOAK"
READS = {"find_customers", "get_customer"}
ALL = READS | {"delete_customer", "update_email"}
PEOPLE = {"anna": "admins", "bob": "sales"}
REGISTERED = [program for program in PROGRAMS if program.known == "before"]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    home = os.environ.get(HOME)
    if home is None:
        pytest.skip(f"Keycloak is a matter of `make keycloak`, which sets {HOME}")
    with keycloak(Path(home), tmp_path_factory.mktemp("issuer")) as made:
        yield made


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory, issuer: Keycloak) -> Iterator[ResourceServer]:
    folder = tmp_path_factory.mktemp("gateway")
    agents = {
        "ci": {"match": [{"issuer": issuer.url, "client_id": "ci"}], "grants": [READING]},
        "desk": {"match": [{"issuer": issuer.url, "client_id": DESK}], "grants": [EVERYTHING]},
        "helper": {"match": [{"issuer": issuer.url, "client_id": "helper"}], "grants": [EVERYTHING]},
    }
    people = [
        {"issuer": issuer.url, "group": "admins", "grants": [EVERYTHING]},
        {"issuer": issuer.url, "group": "sales", "grants": [READING]},
    ]
    issuers: list[Json] = [{"issuer": issuer.url, "preset": "keycloak"}]
    with ExitStack() as stack:
        entry = stack.enter_context(crm(folder))
        made = resource_server(
            folder, entry, issuers, agents, people, known=lambda url: issuer.make(url, [READ, ADMIN], PEOPLE)
        )
        yield stack.enter_context(made)


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=60) as made:
        yield made


def tools(http: httpx2.Client, gw: ResourceServer, token: str) -> set[str]:
    return {tool["name"] for tool in list_tools(http, gw.crm, token)["result"]["tools"]}


def whoami(http: httpx2.Client, gw: ResourceServer, token: str) -> Json:
    answer = http.get(f"{gw.url}/whoami/crm", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, gw.refusals()[-1]
    said: Json = answer.json()
    return said


def test_a_program_is_no_person(gw: ResourceServer, issuer: Keycloak, http: httpx2.Client) -> None:
    token = issuer.token("ci", "client_credentials")["access_token"]
    said = whoami(http, gw, token)
    assert (said["agent"], said["client"], said["human"]) == ("ci", "ci", False)
    assert READ in said["scopes"]
    assert tools(http, gw, token) == READS
    answer = call(http, gw.crm, token, "find_customers", {"query": "Quill"})
    assert "Ada Quill" in answer.json()["result"]["content"][0]["text"]


@pytest.mark.parametrize(("who", "seen"), [("anna", ALL), ("bob", READS)])
def test_people_sign_in_at_keycloak(
    gw: ResourceServer, issuer: Keycloak, http: httpx2.Client, who: str, seen: set[str]
) -> None:
    given = issuer.of_person(who, f"openid {READ} {ADMIN}")
    said = whoami(http, gw, given["access_token"])
    assert (said["agent"], said["human"], said["client"]) == ("desk", True, DESK)
    assert {PEOPLE[who], f"role:default-roles-{REALM}"} <= set(said["groups"])
    assert set(said["scopes"]) >= {READ, ADMIN}
    assert tools(http, gw, given["access_token"]) == seen
    # The header of all three is alike: what they are stands in the claim typ.
    for other in ("id_token", "refresh_token"):
        answer = call(http, gw.crm, given[other], "find_customers", {"query": "x"})
        assert answer.status_code == 401, other


def test_a_token_that_was_exchanged(gw: ResourceServer, issuer: Keycloak, http: httpx2.Client) -> None:
    """Keycloak says nothing of who acts: the client is who presents it, and the subject stays the person."""
    for who, seen in (("anna", ALL), ("bob", READS)):
        theirs = issuer.of_person(who, READ)["access_token"]
        asked = {"subject_token": theirs, "subject_token_type": ACCESS_TOKEN, "scope": READ}
        token = issuer.token("helper", EXCHANGE, **asked)["access_token"]
        said, direct = whoami(http, gw, token), whoami(http, gw, theirs)
        assert (said["agent"], said["client"], said["human"]) == ("helper", "helper", True)
        assert said["subject"] == direct["subject"]
        assert tools(http, gw, token) == seen


def test_a_login_is_blocked_with_every_token_of_it(
    gw: ResourceServer, issuer: Keycloak, http: httpx2.Client
) -> None:
    """Keycloak names the login in every token (`sid`), refreshed ones too."""
    one, other = (issuer.of_person("anna", READ) for _ in range(2))
    login = claims(one["access_token"])["sid"]
    gw.run("block", f"sid:{login}@{issuer.url}", "--reason", "laptop lost")
    renewed = issuer.post(
        "token", grant_type="refresh_token", client_id=DESK, refresh_token=one["refresh_token"]
    )
    assert claims(renewed["access_token"])["sid"] == login
    for token in (one["access_token"], renewed["access_token"]):
        assert call(http, gw.crm, token, "find_customers", {"query": "x"}).status_code == 401
    assert tools(http, gw, other["access_token"]) == ALL


def claims(token: str) -> Json:
    """What a JWT says, believed."""
    said: Json = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return said


@pytest.mark.parametrize("program", REGISTERED, ids=lambda program: program.name)
def test_the_whole_flow(gw: ResourceServer, issuer: Keycloak, program: Program) -> None:
    victim = 2 + REGISTERED.index(program)
    target = {"url": gw.crm, "issuer": issuer.url, "client": DESK, "rest": 0, "victim": victim}
    with Browser("anna", PASSWORD) as browser:
        lines = tell(program, browser, target)
    said = {name: value for line in lines for name, value in line.items()}
    assert set(said["tools"]) == ALL
    assert said["deleted"] == {"text": f"deleted customer {victim}", "error": False}
    assert [next(iter(line)) for line in lines].count("authorize") == 2, "crm:admin was asked for when needed"
