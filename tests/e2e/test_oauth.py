"""Official clients sign in at a real authorization server and call through the gateway: 401, metadata of the
resource and of the issuer, registration, login, consent, token, call, refresh, and more scopes on demand."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.support.browser import Browser
from tests.e2e.support.oauth import PATIENCE_S, PROGRAMS, Program, tell
from tests.e2e.support.provider import DESK, Provider, provider, public
from tests.e2e.support.resource import ADMIN, EVERYTHING, READ, ResourceServer, crm, resource_server

Json = dict[str, Any]

DOCUMENT = "https://client.example/story.json"
TTL_S = 8
"""Seconds: long enough for a step on a busy machine, for no token is refreshed twice in one."""
VICTIMS = {program.name: number for number, program in enumerate(PROGRAMS, 2)}
"""Whom each deletes; the first customer is whom they all look for."""
KNOWN: dict[str, Json] = {"registers": {}, "described": {"document": DOCUMENT}, "before": {"client": DESK}}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    described = {**public(DOCUMENT), "client_name": "story"}
    with provider(
        tmp_path_factory.mktemp("issuer"),
        f"{READ} {ADMIN}",
        ttl=TTL_S,
        clients=[public()],
        documents={DOCUMENT: described},
    ) as made:
        yield made


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory, issuer: Provider) -> Iterator[ResourceServer]:
    folder = tmp_path_factory.mktemp("gateway")
    with ExitStack() as stack:
        entry = stack.enter_context(crm(folder))
        desk = {"match": [{"issuer": issuer.url, "client_id": "*"}], "grants": [EVERYTHING]}
        people = [{"issuer": issuer.url, "sub": "*", "grants": [EVERYTHING]}]
        # As strict as can be: a token that has expired is refused, and the client has to notice.
        issuers = [{"issuer": issuer.url, "skew": "0s"}]
        yield stack.enter_context(resource_server(folder, entry, issuers, {"desk": desk}, people))


def signed_in(program: Program, gw: ResourceServer, issuer: Provider) -> list[Json]:
    target = {"url": gw.crm, "issuer": issuer.url, "rest": TTL_S + 1, "victim": VICTIMS[program.name]}
    with Browser(f"{program.name}@people") as browser:
        return tell(program, browser, {**target, **KNOWN[program.known]})


@pytest.fixture(scope="module")
def told(gw: ResourceServer, issuer: Provider) -> Iterator[dict[str, Future[list[Json]]]]:
    """What every client said, by name. Most of their time they wait, so they run together."""
    with ThreadPoolExecutor(len(PROGRAMS)) as pool:
        yield {program.name: pool.submit(signed_in, program, gw, issuer) for program in PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_whole_flow(told: dict[str, Future[list[Json]]], program: Program, gw: ResourceServer) -> None:
    lines = told[program.name].result(PATIENCE_S)
    steps = [next(iter(line)) for line in lines]
    assert steps == ["authorize", "tools", "found", "again", "authorize", "deleted", "scopes"]
    said = {name: value for line in lines for name, value in line.items()}
    assert said["tools"] == ["delete_customer", "find_customers", "get_customer", "update_email"]
    assert said["found"] == said["again"]
    assert "Ada Quill" in said["found"]["text"]
    assert said["deleted"] == {"text": f"deleted customer {VICTIMS[program.name]}", "error": False}
    assert set(said["scopes"]) >= {READ, ADMIN}

    first, second = (parse_qs(urlsplit(line["authorize"]).query) for line in lines if "authorize" in line)
    assert first["resource"] == second["resource"] == [gw.crm]
    assert first["code_challenge_method"] == ["S256"]
    assert READ in first["scope"][0].split()
    assert ADMIN not in first["scope"][0].split(), "more was asked for than what everything there needs"
    assert set(second["scope"][0].split()) >= {READ, ADMIN}
    assert first["client_id"] == [said["client"]]
    wanted = {"described": DOCUMENT, "before": DESK}
    assert said["client"] == wanted.get(program.known, said["client"])


def test_refreshed_and_stepped_up_and_all_of_it_written_down(
    told: dict[str, Future[list[Json]]], gw: ResourceServer, issuer: Provider
) -> None:
    for future in told.values():
        future.result(PATIENCE_S)
    granted = issuer.tell("granted")
    assert granted["authorization_code"] == 2 * len(PROGRAMS)
    assert granted["refresh_token"] >= len(PROGRAMS), "somebody did not have to refresh"

    calls = gw.calls()
    for program in PROGRAMS:
        theirs = [call for call in calls if call["actor"]["subject"] == f"{program.name}@people"]
        # What was opened with the first token goes on with the refreshed one, and with the one for more.
        sessions = {call["mcp"].get("session") for call in theirs}
        assert len(sessions) == 1
        assert (None in sessions) == (program.mode not in ("", "legacy"))
        mine = [call for call in theirs if call["mcp"]["name"] == "delete_customer"]
        said = [(call["decision"]["effect"], call["decision"].get("reason")) for call in mine]
        assert said == [("deny", "insufficient_scope"), ("permit", None)]
        actor = mine[1]["actor"]
        assert (actor["issuer"], actor["human"], actor["agent"]) == (issuer.url, True, "desk")
        ids = {rule["id"] for rule in mine[1]["decision"]["rules"]}
        assert ids == {"agents.desk.grants[0].tools.allow[0]", "people[0].grants[0].tools.allow[0]"}
    reasons = {refusal["reason"] for refusal in gw.refusals()}
    assert reasons == {"credential_missing", "credential_expired"}
