"""Who is behind a token of a real issuer, and what that leaves: programs, people with their groups, and who
acts for others. Authority is an intersection of all of them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.stories.signing_in import Remembering
from tests.e2e.support.actors import script
from tests.e2e.support.clients import ERAS, TIMEOUT_S, inspect, names, text
from tests.e2e.support.gateway import Json
from tests.e2e.support.processes import wait_until
from tests.e2e.support.provider import EXCHANGE, Provider, program, provider, public, secret_of
from tests.e2e.support.raw import call, list_tools
from tests.e2e.support.resource import ADMIN, EVERYTHING, READ, READING, ResourceServer, crm, resource_server

READS = {"find_customers", "get_customer"}
ALL = READS | {"delete_customer", "update_email"}
BOTH = f"{READ} {ADMIN}"
GROUPS = {"anna": ["admins"], "bob": ["sales"], "carl": ["sales", "admins"], "mallory": ["guests"]}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    acting = [program(name, EXCHANGE) for name in ("helper", "clerk", "stranger")]
    with provider(
        tmp_path_factory.mktemp("issuer"),
        BOTH,
        clients=[public(), program("ci"), program("nobody"), *acting],
        groups=GROUPS,
    ) as made:
        yield made


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory, issuer: Provider) -> Iterator[ResourceServer]:
    folder = tmp_path_factory.mktemp("gateway")
    grants = {"desk": EVERYTHING, "helper": EVERYTHING, "clerk": READING, "ci": READING}
    agents = {
        name: {"match": [{"issuer": issuer.url, "client_id": name}], "grants": [grant]}
        for name, grant in grants.items()
    }
    people = [
        {"issuer": issuer.url, "group": "sales", "grants": [READING]},
        {"issuer": issuer.url, "group": "admins", "grants": [EVERYTHING]},
    ]
    with ExitStack() as stack:
        entry = stack.enter_context(crm(folder))
        yield stack.enter_context(resource_server(folder, entry, [{"issuer": issuer.url}], agents, people))


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=30) as made:
        yield made


def tools(http: httpx2.Client, gw: ResourceServer, token: str) -> set[str]:
    return {tool["name"] for tool in list_tools(http, gw.crm, token)["result"]["tools"]}


def whoami(http: httpx2.Client, gw: ResourceServer, token: str) -> Json:
    answer = http.get(f"{gw.url}/whoami/crm", headers={"Authorization": f"Bearer {token}"})
    said: Json = answer.raise_for_status().json()
    return said


def delete(http: httpx2.Client, gw: ResourceServer, token: str, customer: int = 99) -> httpx2.Response:
    """Of a customer that there is not, unless a test says so: only who may is asked."""
    return call(http, gw.crm, token, "delete_customer", {"id": customer})


def error(answer: httpx2.Response) -> str:
    said: str = answer.json()["error"]["message"]
    return said


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_a_program_with_the_python_sdk(gw: ResourceServer, issuer: Provider, mode: str) -> None:
    auth = ClientCredentialsOAuthProvider(gw.crm, Remembering(None), "ci", secret_of("ci"), issuer=issuer.url)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=TIMEOUT_S) as http,
        Client(
            streamable_http_client(gw.crm, http_client=http), mode=mode, read_timeout_seconds=TIMEOUT_S
        ) as client,
    ):
        assert await names(client) == READS
        assert "Ada Quill" in text(await client.call_tool("find_customers", {"query": "Quill"}))
    (*_, record) = gw.calls()
    actor = record["actor"]
    assert (actor["subject"], actor["agent"], actor["client_id"]) == ("ci", "ci", "ci")
    assert not actor.get("human")


def test_a_program_with_the_typescript_sdk(gw: ResourceServer, issuer: Provider) -> None:
    target = {"url": gw.crm, "client": "ci", "secret": secret_of("ci"), "issuer": issuer.url}
    done = subprocess.run(
        script("node", "machine_v2.mjs", json.dumps(target)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said["tools"]) == READS
    assert "Ada Quill" in said["found"]


def test_the_inspector_with_a_token(gw: ResourceServer, issuer: Provider, tmp_path: Path) -> None:
    token = issuer.of_program("ci", gw.crm, READ)
    listed = inspect(gw.crm, token, "tools/list", home=tmp_path)
    assert {tool["name"] for tool in listed["result"]["tools"]} == READS
    asked = ("--tool-name", "find_customers", "--tool-arg", "query=Quill")
    found = inspect(gw.crm, token, "tools/call", *asked, home=tmp_path)
    assert "Ada Quill" in found["result"]["content"][0]["text"]


def test_the_command_line_shows_who_a_token_is(gw: ResourceServer, issuer: Provider, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(issuer.of_person("bob", gw.crm, READ)["access_token"])
    asked = ("whoami", "--server", "crm", "--token-file", str(file))
    said = json.loads(gw.run(*asked, "--json"))
    assert (said["subject"], said["issuer"], said["agent"], said["human"]) == (
        "bob",
        issuer.url,
        "desk",
        True,
    )
    assert "bob (a person) at " in gw.run(*asked)
    gw.run("whoami", "--token-file", str(file), code=3)  # that is for another endpoint
    assert "because" in gw.run("audit", "tail", "-n", "1")


@pytest.mark.parametrize(("who", "seen"), [("anna", ALL), ("bob", READS), ("carl", ALL)])
def test_people_may_what_their_groups_may(
    gw: ResourceServer, issuer: Provider, http: httpx2.Client, who: str, seen: set[str]
) -> None:
    token = issuer.of_person(who, gw.crm, BOTH)["access_token"]
    said = whoami(http, gw, token)
    assert (said["subject"], said["human"], said["agent"], said["groups"]) == (
        who,
        True,
        "desk",
        sorted(GROUPS[who]),
    )
    assert said["bounds"]["people"] == [len(GROUPS[who])]
    assert tools(http, gw, token) == seen
    answer = delete(http, gw, token)
    if seen == ALL:
        assert answer.json()["result"]["isError"], "there is no such customer"
    else:
        assert error(answer) == error(call(http, gw.crm, token, "no_such_tool", {})), "hidden is not there"
        (*_, record) = [record for record in gw.calls() if record["mcp"]["name"] == "delete_customer"]
        assert record["actor"]["subject"] == who
        assert record["decision"]["bound"].startswith("people")


def test_somebody_without_an_entry_may_nothing(
    gw: ResourceServer, issuer: Provider, http: httpx2.Client
) -> None:
    token = issuer.of_person("mallory", gw.crm, BOTH)["access_token"]
    said = whoami(http, gw, token)
    assert (said["human"], said["bounds"]["people"], said["servers"]) == (True, [0], [])
    for answer in (list_tools(http, gw.crm, token), delete(http, gw, token).json()):
        assert answer["error"]["data"]["reason"] == "path_not_found", "not even that there is such a server"
    token = issuer.of_person("mallory", f"{gw.url}/mcp", BOTH)["access_token"]
    assert list_tools(http, f"{gw.url}/mcp", token)["result"]["tools"] == []


def test_a_scope_that_is_missing_hides_nothing_and_is_named(
    gw: ResourceServer, issuer: Provider, http: httpx2.Client
) -> None:
    token = issuer.of_person("anna", gw.crm, READ)["access_token"]
    assert tools(http, gw, token) == ALL
    answer = delete(http, gw, token)
    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert f'scope="{ADMIN} {READ}"' in challenge or f'scope="{READ} {ADMIN}"' in challenge
    # Whoever may not call it with any scope is told nothing of scopes.
    bob = issuer.of_person("bob", gw.crm, READ)["access_token"]
    answer = delete(http, gw, bob)
    assert "www-authenticate" not in answer.headers
    assert error(answer) == "Unknown tool"


def test_who_acts_for_somebody_may_what_all_of_them_may(
    gw: ResourceServer, issuer: Provider, http: httpx2.Client
) -> None:
    anna, bob = (issuer.of_person(who, gw.crm, BOTH)["access_token"] for who in ("anna", "bob"))
    alone = issuer.acting("helper", anna, gw.crm, BOTH)
    said = whoami(http, gw, alone)
    assert (said["subject"], said["human"], said["agent"], said["client"]) == (
        "anna",
        True,
        "helper",
        "helper",
    )
    assert [actor["subject"] for actor in said["actors"]] == ["helper"]
    assert tools(http, gw, alone) == ALL
    assert delete(http, gw, alone).json()["result"]["isError"]

    assert tools(http, gw, issuer.acting("helper", bob, gw.crm, BOTH)) == READS, "bob may no more than that"

    through = issuer.acting("helper", issuer.acting("clerk", anna, gw.crm, BOTH), gw.crm, BOTH)
    said = whoami(http, gw, through)
    assert [(actor["subject"], actor["agent"]) for actor in said["actors"]] == [
        ("helper", "helper"),
        ("clerk", "clerk"),
    ]
    assert said["bounds"]["agents"] == ["clerk"]
    assert tools(http, gw, through) == READS, "a clerk may no more than that"
    assert error(delete(http, gw, through)) == "Unknown tool"
    (*_, record) = [record for record in gw.calls() if record["mcp"]["name"] == "delete_customer"]
    actor = record["actor"]
    assert (actor["subject"], actor["human"], actor["agent"]) == ("anna", True, "helper")
    assert actor["actors"] == ["helper", "clerk"]
    assert [one.get("agent") for one in actor["chain"]] == ["helper", "clerk"]
    assert record["decision"]["bound"] == "agent:clerk"


def test_a_session_is_whose_it_is_whatever_the_token(
    gw: ResourceServer, issuer: Provider, http: httpx2.Client
) -> None:
    first, renewed = (issuer.of_person("anna", gw.crm, BOTH)["access_token"] for _ in range(2))
    assert first != renewed
    bob = issuer.of_person("bob", gw.crm, BOTH)["access_token"]
    anna_too = issuer.acting("helper", first, gw.crm, BOTH)
    session = opened(http, gw, first)
    assert [within(http, gw, token, session).status_code for token in (first, renewed)] == [200, 200]
    for token in (bob, anna_too, issuer.of_program("ci", gw.crm, READ), gw.key("watcher")):
        assert within(http, gw, token, session).status_code == 404


def opened(http: httpx2.Client, gw: ResourceServer, token: str) -> str:
    """A session of the legacy era."""
    about = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "e2e", "version": "1"},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about}
    fields = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    session: str = http.post(gw.crm, json=body, headers=fields).headers["mcp-session-id"]
    said = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert http.post(gw.crm, json=said, headers={**fields, "Mcp-Session-Id": session}).status_code == 202
    return session


def within(http: httpx2.Client, gw: ResourceServer, token: str, session: str) -> httpx2.Response:
    """A list asked for in a session."""
    fields = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
        "Mcp-Session-Id": session,
    }
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    return http.post(gw.crm, json=body, headers=fields)


def test_nobodys_client_is_nobody(gw: ResourceServer, issuer: Provider, http: httpx2.Client) -> None:
    token = issuer.of_program("nobody", gw.crm, READ)
    answer = delete(http, gw, token)
    assert answer.status_code == 403
    assert "www-authenticate" not in answer.headers
    assert gw.refusals()[-1]["reason"] == "agent_unmatched"


def test_a_token_of_one_endpoint_is_none_of_another(
    gw: ResourceServer, issuer: Provider, http: httpx2.Client
) -> None:
    of_all, of_crm = (issuer.of_program("ci", url, READ) for url in (f"{gw.url}/mcp", gw.crm))
    listed = list_tools(http, f"{gw.url}/mcp", of_all)
    assert {tool["name"] for tool in listed["result"]["tools"]} == {f"crm__{name}" for name in READS}
    assert tools(http, gw, of_crm) == READS
    for url, token in ((gw.crm, of_all), (f"{gw.url}/mcp", of_crm)):
        answer = call(http, url, token, "find_customers", {"query": "x"})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_an_id_token_is_no_access_token(gw: ResourceServer, issuer: Provider, http: httpx2.Client) -> None:
    given = issuer.of_person("anna", gw.crm, f"openid {READ}")
    assert tools(http, gw, given["access_token"]) == ALL
    answer = delete(http, gw, given["id_token"])
    assert answer.status_code == 401
    assert gw.refusals()[-1]["reason"] == "credential_invalid"


def test_actors_who_are_not_known_count_for_nothing_or_are_refused(
    gw: ResourceServer, issuer: Provider, http: httpx2.Client
) -> None:
    """Last: it changes the configuration."""
    anna = issuer.of_person("anna", gw.crm, BOTH)["access_token"]
    through = issuer.acting("helper", issuer.acting("stranger", anna, gw.crm, BOTH), gw.crm, BOTH)
    said = whoami(http, gw, through)
    assert [(actor["subject"], actor["agent"]) for actor in said["actors"]] == [
        ("helper", "helper"),
        ("stranger", None),
    ]
    assert tools(http, gw, through) == ALL
    config = json.loads(gw.config.read_text())
    config["auth"]["issuers"][0]["actors"] = "known"
    gw.config.write_text(json.dumps(config))
    wait_until(lambda: delete(http, gw, through).status_code == 403, "who is not known is refused")
    assert gw.refusals()[-1]["reason"] == "actor_unknown"
    assert tools(http, gw, issuer.acting("helper", anna, gw.crm, BOTH)) == ALL
