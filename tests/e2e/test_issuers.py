"""Two real issuers: their keys change, one is taken for the other, one says it was the other, and one is gone
for a while. Signed tokens are checked by the last good keys; opaque ones need the issuer's word."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

import httpx2
import pytest

from tests.e2e.support import raw
from tests.e2e.support.gateway import Json
from tests.e2e.support.processes import LOOPBACK, wait_until
from tests.e2e.support.provider import Provider, program, provider, secret_of
from tests.e2e.support.raw import call
from tests.e2e.support.resource import EVERYTHING, READ, READING, ResourceServer, crm, resource_server

CACHE_S, STALE_S = 1.0, 8.0
QUESTION_S = 10.0
"""An unknown key causes no second question before."""
PATIENCE_S = 60.0
QUIET, LOUD, OLD = "quiet", "loud", "old"
Ask = Callable[[str], httpx2.Response]


def settings() -> dict[str, Any]:
    """Every provider has the same clients: their tokens are opaque, signed with ECDSA, or signed with RSA."""
    names = (QUIET, LOUD, OLD, "gateway")
    return {"clients": [program(name) for name in names], "opaque": [QUIET], "rsa": [OLD]}


@pytest.fixture(scope="module")
def issuers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Provider, Provider]]:
    """The second one cannot be asked about opaque tokens."""
    folder = tmp_path_factory.mktemp("issuers")
    with (
        provider(folder, READ, "first", **settings()) as first,
        provider(folder, READ, "second", **settings()) as second,
    ):
        yield first, second


@pytest.fixture(scope="module")
def gw(
    tmp_path_factory: pytest.TempPathFactory, issuers: tuple[Provider, Provider]
) -> Iterator[ResourceServer]:
    first, second = issuers
    us = {"client_id": "gateway", "client_secret": "${env:SECRET}", "cache": f"{CACHE_S:.0f}s"}
    known: list[dict[str, Any]] = [
        {"issuer": first.url, "introspection": us, "skew": "0s"},
        {"issuer": second.url},
    ]
    agents = {
        "ours": {"match": [{"issuer": first.url, "client_id": "*"}], "grants": [READING]},
        "theirs": {"match": [{"issuer": second.url, "client_id": "*"}], "grants": [EVERYTHING]},
    }
    folder = tmp_path_factory.mktemp("gateway")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SECRET", secret_of("gateway"))
        entry = stack.enter_context(crm(folder))
        stale = f"{STALE_S:.0f}s"
        yield stack.enter_context(resource_server(folder, entry, known, agents, [], stale_after=stale))


@pytest.fixture(scope="module")
def ask(gw: ResourceServer) -> Iterator[Ask]:
    """A call with a token."""
    with httpx2.Client(timeout=30) as http:
        yield lambda token: call(http, gw.crm, token, "find_customers", {"query": "Quill"})


def agent_of(gw: ResourceServer) -> str:
    """Of the last call."""
    agent: str = gw.calls()[-1]["actor"]["agent"]
    return agent


def test_signed_either_way_or_not_at_all(
    gw: ResourceServer, issuers: tuple[Provider, Provider], ask: Ask
) -> None:
    first, second = issuers
    for client in (LOUD, OLD, QUIET):
        answer = ask(first.of_program(client, gw.crm, READ))
        assert (answer.status_code, answer.json()["result"]["isError"]) == (200, False), client
    methods = [(record["actor"]["client_id"], record["actor"]["method"]) for record in gw.calls()[-3:]]
    assert methods == [(LOUD, "jwt"), (OLD, "jwt"), (QUIET, "introspection")]
    # Nobody here can ask the second one, and the first one does not know it.
    assert ask(second.of_program(QUIET, gw.crm, READ)).status_code == 401


def test_the_same_client_of_another_issuer_is_somebody_else(
    gw: ResourceServer, issuers: tuple[Provider, Provider], ask: Ask
) -> None:
    for issuer, agent in zip(issuers, ("ours", "theirs"), strict=True):
        assert ask(issuer.of_program(LOUD, gw.crm, READ)).status_code == 200
        assert agent_of(gw) == agent


def test_one_who_says_that_it_is_another_is_nobody(
    gw: ResourceServer, issuers: tuple[Provider, Provider], ask: Ask, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With the same name, the same clients, and keys that are called the same."""
    first, _ = issuers
    folder = tmp_path_factory.mktemp("impostor")
    with provider(folder, READ, issuer=first.url, **settings()) as impostor:
        for client in (LOUD, OLD):
            answer = ask(impostor.of_program(client, gw.crm, READ))
            assert answer.status_code == 401
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
            assert "signature" in gw.refusals()[-1]["detail"]
        assert ask(impostor.of_program(QUIET, gw.crm, READ)).status_code == 401
    assert ask(first.of_program(LOUD, gw.crm, READ)).status_code == 200


def test_callers_on_one_connection_are_each_themselves(
    gw: ResourceServer, issuers: tuple[Provider, Provider]
) -> None:
    """Sent all at once: some are known, about some their issuer has to be asked, and one is nobody."""
    first, second = issuers
    new = [first.of_program(QUIET, gw.crm, READ) for _ in range(2)]
    tokens = [new[0], "nobody", second.of_program(LOUD, gw.crm, READ), new[1], gw.key("watcher")]
    sent = b"".join(framed(token, number) for number, token in enumerate(tokens))
    with (
        socket.create_connection((LOOPBACK, gw.port), timeout=30) as client,
        client.makefile("rb") as answers,
    ):
        client.sendall(sent)
        seen = [answered(answers) for _ in tokens]
    assert [status for status, _ in seen] == [200, 401, 200, 200, 200]
    assert [body.get("id") for _, body in seen] == [0, None, 2, 3, 4]
    agents = {record["mcp"]["request_id"]: record["actor"]["agent"] for record in gw.calls()[-4:]}
    assert agents == {0: "ours", 2: "theirs", 3: "ours", 4: "watcher"}


def framed(token: str, number: int) -> bytes:
    """A call as it stands on a connection that is kept."""
    name = "find_customers"
    body = json.dumps(raw.request(number, "tools/call", {"name": name, "arguments": {"query": "Quill"}}))
    fields = {
        **raw.headers(token, "tools/call", name),
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{field}: {value}\r\n" for field, value in fields.items())
    return f"POST /mcp/crm HTTP/1.1\r\n{head}\r\n{body}".encode()


def answered(answers: BinaryIO) -> tuple[int, Json]:
    """The next one: status and body."""
    status, length = int(answers.readline().split()[1]), 0
    while (line := answers.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return status, json.loads(answers.read(length))


def test_what_is_revoked_is_refused(gw: ResourceServer, issuers: tuple[Provider, Provider], ask: Ask) -> None:
    first, _ = issuers
    used, unused = (first.of_program(QUIET, gw.crm, READ) for _ in range(2))
    assert ask(used).status_code == 200
    for token in (used, unused):
        assert first.post("token/revocation", QUIET, token=token).status_code == 200
    assert ask(unused).status_code == 401
    began = time.monotonic()
    wait_until(lambda: ask(used).status_code == 401, "what is revoked is refused")
    assert time.monotonic() - began < 10 * CACHE_S
    assert "not active" in gw.refusals()[-1]["detail"]


def test_new_keys_are_found_and_old_ones_forgotten(
    gw: ResourceServer, issuers: tuple[Provider, Provider], ask: Ask
) -> None:
    first, second = issuers
    before = [issuer.of_program(LOUD, gw.crm, READ) for issuer in issuers]
    assert [ask(token).status_code for token in before] == [200, 200]
    first.tell("rotate")
    second.tell("rotate", retire=1)
    assert [ask(token).status_code for token in before] == [200, 200], "nobody has looked yet"
    began = time.monotonic()
    for issuer in issuers:
        token = issuer.of_program(LOUD, gw.crm, READ)
        wait_until(lambda token=token: ask(token).status_code == 200, "the new key counts")  # type: ignore[misc]
    assert time.monotonic() - began < PATIENCE_S
    # The first one publishes its old key still, the second one does not.
    assert [ask(token).status_code for token in before] == [200, 401]


def test_while_the_issuer_is_gone(gw: ResourceServer, issuers: tuple[Provider, Provider], ask: Ask) -> None:
    """Last: the issuer comes back with other keys, and does not know what it has said before."""
    first, second = issuers
    signed, known, unknown = (first.of_program(client, gw.crm, READ) for client in (LOUD, QUIET, QUIET))
    assert [ask(token).status_code for token in (signed, known)] == [200, 200]
    began = time.monotonic()
    first.stop()

    answer = ask(unknown)
    assert (answer.status_code, answer.headers.get("www-authenticate")) == (503, None)
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["data"]["reason"] == "identity_unavailable"
    # As long as the last answer counts, and stale_after beyond: judged before the time is taken.
    while (status := ask(known).status_code) == 200:
        assert time.monotonic() - began < CACHE_S + STALE_S + PATIENCE_S
        time.sleep(0.1)
    assert status == 503
    assert time.monotonic() - began > STALE_S - CACHE_S
    assert ask(signed).status_code == 200, "the last good keys go on"
    assert ask(second.of_program(LOUD, gw.crm, READ)).status_code == 200, "and nobody else is touched"

    assert gw.stop() == 0
    gw.start()
    answer = ask(signed)
    assert (answer.status_code, answer.headers.get("www-authenticate")) == (503, None), "there are no keys"
    assert ask(gw.key("watcher")).status_code == 200, "and still nobody else is touched"
    assert first.url in gw.run("status")

    first.start(generation=7)
    wait_until(lambda: ask(first.of_program(QUIET, gw.crm, READ)).status_code == 200, "it is asked again")
    fresh = first.of_program(LOUD, gw.crm, READ)
    wait_until(lambda: ask(fresh).status_code == 200, "its new keys count")
    assert ask(known).status_code == 401, "it does not know that any more"
    assert ask(signed).status_code == 401, "nor does it publish that key"
