"""Doorward as an OAuth 2.1 resource server: section 4.2 of the protocol brief, each row a test.

Real sockets, real keys, an authorization server on loopback. How a single token can be wrong is the matter of
tests/attack/test_token_attacks.py.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from doorward.app.stdio import KEY_VARIABLE, StdioClient
from tests.spec.peers import LATEST, MODERN, Json, Peer
from tests.spec.scene import ERAS, each_client, full, over_sockets
from tests.spec.world import ALL, EVERYTHING, META, Client, World, world
from tests.support.issuer import FakeIssuer
from tests.support.issuer import serving as issuing
from tests.support.tokens import Mint

pytestmark = over_sockets

PUBLIC = "https://gw.example.com"
METADATA = "/.well-known/oauth-protected-resource"
ORIGIN = {"Origin": "https://app.example"}
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "delete_all", "secret")]
CHALLENGE = re.compile(r'([a-z_]+)="([^"]*)"')
SCOPES = {"*": ["lab:read"], "delete_*": ["lab:admin"]}
SSE = {"Accept": "text/event-stream"}


class Place:
    """A gateway with one server `lab`, another one `side`, and one issuer of `mint`."""

    def __init__(self, made: World, peer: Peer, mint: Mint, issuer: FakeIssuer) -> None:
        self.made, self.peer, self.mint, self.issuer = made, peer, mint, issuer
        self.http = made.http

    def token(self, **claims: Any) -> str:
        """Of a program, for `/mcp/lab`."""
        return self.mint.token(**{"aud": f"{PUBLIC}/mcp/lab", "scope": "lab:read lab:admin", **claims})

    def of_anna(self, **claims: Any) -> str:
        return self.token(**{"sub": "anna", "client_id": "app", **claims})

    async def client(self, token: str, version: str = LATEST, path: str = "/mcp/lab") -> Client:
        return await self.made.bearer(token, path, version)

    async def post(self, fields: Any, path: str = "/mcp/lab", verb: str = "POST") -> httpx2.Response:
        """`ping` with these fields beside the usual ones."""
        usual = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        given = [*usual.items(), *(fields.items() if isinstance(fields, dict) else fields)]
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) if verb == "POST" else None
        return await self.http.request(verb, path, content=body, headers=given)

    async def seen(self, token: str) -> httpx2.Response:
        """What the gateway sees of a token at `/mcp/lab`."""
        return await self.post({"Authorization": f"Bearer {token}"}, "/whoami/lab", "GET")

    def records(self) -> list[Json]:
        folder = self.made.process.world.loaded.settings.gateway.state / "audit"
        text = b"".join(file.read_bytes() for file in sorted(folder.glob("*.jsonl")))
        return [json.loads(line) for line in text.replace(b"\0", b"").splitlines()]  # written ahead: zeros


@asynccontextmanager
async def place(folder: Path, *, people: list[Json] | None = None, **lab: Any) -> AsyncIterator[Place]:
    peer, side = full(), full()
    peer.lists["tools"] = TOOLS
    async with issuing(FakeIssuer()) as issuer:
        mint = Mint(f"{issuer.url}/realm", f"{PUBLIC}/mcp/lab")
        issuer.publish("/realm", mint.public())
        some = {
            "servers": ["*"],
            "tools": {"allow": ["*"], "deny": ["secret"]},
            "resources": ALL,
            "prompts": ALL,
        }
        agents = {
            "bot": EVERYTHING,
            "ci": {
                "match": [
                    {"issuer": mint.issuer, "client_id": "ci"},
                    {"issuer": mint.issuer, "client_id": "app"},
                ],
                "grants": [some],
            },
        }
        grants = [{"servers": ["lab"], "tools": {"allow": ["echo", "delete_*"]}}]
        more = {
            "gateway": {"public_url": PUBLIC, "allowed_origins": [ORIGIN["Origin"]]},
            "auth": {"keys": True, "issuers": [{"issuer": mint.issuer}]},
            "people": [
                {"issuer": mint.issuer, **one}
                for one in ([{"sub": "anna", "grants": grants}] if people is None else people)
            ],
        }
        peers = {"lab": peer, "side": side}
        async with world(folder, peers, agents=agents, more=more, lab={"scopes": SCOPES, **lab}) as made:
            here = Place(made, peer, mint, issuer)
            assert (await here.seen(here.token())).status_code == 200  # and the issuer's keys are here
            yield here


def challenge(said: Any) -> dict[str, str]:
    """The parameters of the one challenge."""
    scheme, _, rest = said.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    found = dict(CHALLENGE.findall(rest))
    assert ", ".join(f'{name}="{value}"' for name, value in found.items()) == rest, "nothing else is in it"
    return found


# --- metadata -----------------------------------------------------------------------------------------------


@pytest.mark.spec("DW-408", "DW-409")
@pytest.mark.parametrize(
    ("path", "resource", "scopes"),
    [
        ("", "/mcp", None),
        ("/mcp", "/mcp", None),
        ("/mcp/lab", "/mcp/lab", ["lab:read"]),
        ("/mcp/side", "/mcp/side", None),
    ],
)
async def test_each_endpoint_publishes_whose_tokens_it_takes(
    path: str, resource: str, scopes: list[str] | None, tmp_path: Path
) -> None:
    async with place(tmp_path) as here:
        said = await here.http.get(METADATA + path)
        assert said.status_code == 200
        assert said.headers["content-type"] == "application/json"
        found = said.json()
        assert found["resource"] == PUBLIC + resource
        assert found["authorization_servers"] == [here.mint.issuer]
        assert found["bearer_methods_supported"] == ["header"]
        assert found.get("scopes_supported") == scopes
        assert "offline_access" not in said.text
        head = await here.http.head(METADATA + path)
        assert (head.status_code, head.content) == (200, b"")


@pytest.mark.spec("DW-429")
async def test_metadata_tells_nobody_which_servers_there_are(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        side, none = [(await here.http.get(f"{METADATA}/mcp/{name}")) for name in ("side", "none")]
        assert side.text.replace("side", "none") == none.text
        assert {**side.headers, "date": ""} == {**none.headers, "date": ""}


@pytest.mark.spec("DW-409", "DW-404")
async def test_the_resource_is_never_what_the_host_field_says(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        for host in ("gw.example.com", "localhost", "127.0.0.1:1"):
            said = await here.http.get(f"{METADATA}/mcp", headers={"Host": host})
            assert said.json()["resource"] == f"{PUBLIC}/mcp"
            refused = await here.post({"Host": host})
            assert challenge(refused)["resource_metadata"].startswith(PUBLIC)


@pytest.mark.spec("DW-428")
async def test_a_page_reads_metadata_and_challenges(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        said = await here.http.get(METADATA, headers=ORIGIN)
        assert said.headers["access-control-allow-origin"] == ORIGIN["Origin"]
        refused = await here.post(ORIGIN)
        assert refused.status_code == 401
        assert "www-authenticate" in refused.headers["access-control-expose-headers"]
        for path in (METADATA, "/mcp/lab", "/whoami"):
            asks = ORIGIN | {"Access-Control-Request-Method": "GET",
                             "Access-Control-Request-Headers": "authorization"}  # fmt: skip
            asked = await here.http.options(path, headers=asks)
            assert asked.status_code == 204
            assert "authorization" in asked.headers["access-control-allow-headers"]


# --- 401, 400 -----------------------------------------------------------------------------------------------


@pytest.mark.spec("DW-400", "DW-410")
@pytest.mark.parametrize(
    ("path", "scope"), [("/mcp", None), ("/mcp/lab", "lab:read"), ("/mcp/side", None), ("/mcp/none", None)]
)
async def test_without_a_token_the_challenge_says_where_to_get_one(
    path: str, scope: str | None, tmp_path: Path
) -> None:
    async with place(tmp_path) as here:
        said = await here.post({}, path)
        assert said.status_code == 401
        wanted = {"resource_metadata": f"{PUBLIC}{METADATA}{path}"}
        assert challenge(said) == (wanted if scope is None else wanted | {"scope": scope})
        document = await here.http.get(challenge(said)["resource_metadata"].removeprefix(PUBLIC))
        assert document.json()["resource"] == PUBLIC + path


@pytest.mark.spec("DW-410", "DW-413", "DW-414", "DW-419")
async def test_every_bad_token_gets_the_same_answer_and_its_own_record(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        stranger = Mint(here.mint.issuer, f"{PUBLIC}/mcp/lab")
        elsewhere = Mint("https://elsewhere.example", f"{PUBLIC}/mcp/lab")
        bad = {
            "expired": here.token(exp=1_700_000_000, iat=1_699_999_000),
            "not yet": here.token(nbf=4_000_000_000),
            "another endpoint": here.token(aud=f"{PUBLIC}/mcp/side"),
            "the aggregate": here.token(aud=f"{PUBLIC}/mcp"),
            "a slash more": here.token(aud=f"{PUBLIC}/mcp/lab/"),
            "another case": here.token(aud=f"{PUBLIC}/mcp/LAB"),
            "no audience": here.token(aud=None),
            "an ID token": here.token(nonce="n"),
            "another type": here.token(head={"typ": "JWT"}),
            "a stranger's signature": stranger.token(),
            "a stranger": elsewhere.token(),
            "opaque": "2YotnFZFEjr1zCsicMWpAA",
            "a key": "dw_live_x",
            "an operator's": "dwa_x",
            "nothing of ours": "x",
        }
        answers = {}
        for name, token in bad.items():
            said = await here.post({"Authorization": f"Bearer {token}"})
            answers[name] = (said.status_code, {**said.headers, "date": ""}, said.content)
        assert len({repr(answer) for answer in answers.values()}) == 1, answers
        (status, _, body) = answers["expired"]
        assert status == 401
        assert challenge(said) == {
            "resource_metadata": f"{PUBLIC}{METADATA}/mcp/lab",
            "scope": "lab:read",
            "error": "invalid_token",
        }
        assert json.loads(body)["error"]["data"]["reason"] == "credential_invalid"
        assert "id" not in json.loads(body) or json.loads(body)["id"] is None
        details = {one["detail"] for one in here.records() if one["kind"] == "refusal"}
        assert len(details) >= 6, "of the ten that are written singly"
        assert not [token for token in bad.values() if len(token) > 20 and token in "".join(details)]
        assert here.peer.asked("ping") == []


@pytest.mark.spec("DW-412")
async def test_a_malformed_request_is_told_so(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        token = here.token()
        good = ("Authorization", f"Bearer {token}")
        malformed: list[tuple[list[tuple[str, str]], str]] = [
            ([good, good], ""),
            ([good, ("Authorization", "Bearer other")], ""),
            ([good, ("X-Doorward-Key", token)], ""),
            ([good], f"?access_token={token}"),
            ([], f"?access_token={token}"),
            ([("Authorization", f"Bearer {'a' * 9000}")], ""),
        ]
        for fields, query in malformed:
            said = await here.post(fields, f"/mcp/lab{query}")
            assert said.status_code == 400
            assert challenge(said) == {
                "resource_metadata": f"{PUBLIC}{METADATA}/mcp/lab",
                "error": "invalid_request",
            }
        assert (await here.seen(token)).status_code == 200


# --- tokens that count --------------------------------------------------------------------------------------


@pytest.mark.spec("DW-413", "DW-414")
@each_client
@pytest.mark.parametrize("aud", [f"{PUBLIC}/mcp/lab", ["https://other.example", f"{PUBLIC}/mcp/lab"]])
async def test_a_token_for_this_endpoint_opens_it(down: str, aud: Any, tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        client = await here.client(here.token(aud=aud), down)
        assert (await client.call()).result["content"]


@pytest.mark.spec("DW-415")
async def test_every_request_of_a_session_needs_its_token(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        client = await here.client(here.token())
        session = {"Mcp-Session-Id": client.fields["Mcp-Session-Id"], "MCP-Protocol-Version": LATEST}
        for verb, fields in (("POST", {}), ("GET", SSE), ("DELETE", {})):
            for credential in ({}, {"Authorization": "Bearer x"}):
                said = await here.post(session | fields | credential, verb=verb)
                assert said.status_code == 401
                assert "resource_metadata" in challenge(said)
        assert (await client.call()).result


@pytest.mark.spec("DW-416")
async def test_a_session_is_found_by_a_renewed_token_and_by_nobody_elses(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        client = await here.client(here.token())
        session = client.fields["Mcp-Session-Id"]
        client.fields["Authorization"] = f"Bearer {here.token(jti='t-2', exp=4_000_000_00 + 1_700_000_000)}"
        renewed = await client.call()
        others = {
            "another subject": here.of_anna(),
            "another client": here.token(client_id="app", sub="ci"),
            "a key": here.made.keys["bot"],
        }
        for name, token in others.items():
            client.fields["Authorization"] = f"Bearer {token}"
            said = await client.call()
            assert said.status == 404, name
        assert renewed.result
        client.fields |= {"Authorization": f"Bearer {here.token()}", "Mcp-Session-Id": session}
        assert (await client.call()).result


@pytest.mark.spec("DW-427")
@each_client
async def test_no_server_ever_sees_the_token(down: str, tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        token = here.of_anna()
        client = await here.client(token, down)
        client.fields["Cookie"] = f"token={token}"
        assert (await client.call()).result
        await client.ask("tools/list")
        for asked in here.peer.seen:
            assert token not in repr(vars(asked))
            assert token.split(".")[2] not in repr(vars(asked))


# --- scopes -------------------------------------------------------------------------------------------------


@pytest.mark.spec("DW-411", "DW-417")
@each_client
async def test_a_missing_scope_is_challenged_once_for_all_that_is_needed(down: str, tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        client = await here.client(here.token(scope="lab:read other"), down)
        names = {tool["name"] for tool in (await client.ask("tools/list")).result["tools"]}
        assert names == {"echo", "delete_all"}
        assert (await client.call()).result
        said = await client.call("delete_all")
        assert said.status == 403
        assert challenge(said) == {
            "error": "insufficient_scope",
            "scope": "lab:read lab:admin",
            "resource_metadata": f"{PUBLIC}{METADATA}/mcp/lab",
            "error_description": "this needs a token with more scopes",
        }
        assert "result" not in said.message
        assert said.message["error"]["data"]["scopes"] == ["lab:read", "lab:admin"]
        assert [one for one in here.peer.asked("tools/call") if "delete_all" in repr(vars(one))] == []
        client.fields["Authorization"] = f"Bearer {here.token()}"
        assert (await client.call("delete_all")).result
        (denied,) = [
            one for one in here.records() if one.get("decision", {}).get("reason") == "insufficient_scope"
        ]
        assert denied["decision"]["scopes"] == ["lab:read", "lab:admin"]
        assert denied["decision"]["bound"] == "scopes"


@pytest.mark.spec("DW-411")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "doc://rates"}),
        ("prompts/get", {"name": "greet"}),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "a", "value": ""}},
        ),
    ],
)
@each_client
async def test_what_is_no_tool_needs_the_scopes_of_everything(
    down: str, method: str, params: Json, tmp_path: Path
) -> None:
    async with place(tmp_path) as here:
        client = await here.client(here.token(scope="other"), down)
        said = await client.ask(method, params)
        assert said.status == 403
        assert challenge(said)["scope"] == "lab:read"
        assert here.peer.asked(method) == []


@pytest.mark.spec("DW-411", "DW-415")
async def test_a_listen_hears_nothing_that_its_token_may_not_read(tmp_path: Path) -> None:
    """A stream of 2026-07-28: it opens, and a resource without the scope for it is not in the answer."""
    async with place(tmp_path) as here:
        client = await here.client(here.token(scope="other"), MODERN)
        wanted = {"notifications": {"resourceSubscriptions": ["doc://rates"]}}
        async with client.stream(client.message("subscriptions/listen", wanted)) as messages:
            acknowledged = await anext(messages)
        assert "doc://rates" not in json.dumps(acknowledged)
        client.fields["Authorization"] = "Bearer x"
        refused = await client.ask("subscriptions/listen", wanted)
        assert refused.status == 401


# --- people -------------------------------------------------------------------------------------------------


@pytest.mark.spec("DW-418")
@each_client
async def test_what_is_hidden_is_unknown_whatever_hides_it(down: str, tmp_path: Path) -> None:
    """The agent's rules hide `secret`, the human's leave nothing but tools; scopes are missing besides."""
    async with place(tmp_path) as here:
        for token in (here.token(scope="other"), here.of_anna(scope="other"), here.of_anna()):
            client = await here.client(token, down)
            unknown = await client.ask("tools/call", {"name": "no_such", "arguments": {}}, id=7)
            hidden = await client.ask("tools/call", {"name": "secret", "arguments": {}}, id=7)
            assert (hidden.status, hidden.body) == (unknown.status, unknown.body) == (200, unknown.body)
            assert hidden.error == (200, -32602)
        client = await here.client(here.of_anna(), down)
        names = {tool["name"] for tool in (await client.ask("tools/list")).result["tools"]}
        assert names == {"echo", "delete_all"}
        one, other = [
            await client.ask("resources/read", {"uri": uri}, id=7) for uri in ("doc://rates", "doc://nonee")
        ]
        assert one.body.replace(b"doc://rates", b"doc://nonee") == other.body


@pytest.mark.spec("DW-418")
@pytest.mark.parametrize("down", ERAS)
async def test_a_human_without_an_entry_reaches_no_server(down: str, tmp_path: Path) -> None:
    async with place(tmp_path, people=[]) as here:
        answers = []
        for name in ("lab", "none"):
            token = here.of_anna(aud=f"{PUBLIC}/mcp/{name}")
            client = await here.client(token, MODERN, f"/mcp/{name}")
            said = await client.ask("tools/call", {"name": "echo", "arguments": {}}, id=7)
            del said.message["error"]["data"]["decision_id"]
            answers.append((said.status, said.message))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        client = await here.client(here.of_anna(aud=f"{PUBLIC}/mcp"), down, "/mcp")
        assert (await client.ask("tools/list")).result["tools"] == []


@pytest.mark.spec("DW-418")
@each_client
@pytest.mark.parametrize("human", [True, False], ids=["for a person", "for a program"])
async def test_a_person_who_acts_is_asked_too(down: str, tmp_path: Path, human: bool) -> None:
    """RFC 8693 section 4.1. `client_id` makes the actor match the agent, which changes nothing."""
    every, less = (
        {"servers": ["lab"], "tools": {"allow": ["*"], "deny": deny}} for deny in ([], ["delete_all"])
    )
    people = [{"sub": "anna", "grants": [every]}, {"sub": "bob", "grants": [less]}]
    async with place(tmp_path, people=people) as here:
        make = here.of_anna if human else here.token
        for actor, seen in (("anna", {"echo", "delete_all"}), ("bob", {"echo"}), ("carl", None)):
            act = {"sub": actor, "client_id": "ci", "sub_profile": "user"}
            token = make(act=act)
            known = (await here.seen(token)).json()
            assert known["servers"] == ([] if seen is None else ["lab"])
            assert known["actors"][0]["kind"] == "human"
            if seen is None:
                client = await here.client(token, MODERN)
                refused = await client.ask("tools/call", {"name": "echo", "arguments": {}}, id=7)
                assert refused.status == 404, "not even that there is such a server"
                continue
            client = await here.client(token, down)
            assert {tool["name"] for tool in (await client.ask("tools/list")).result["tools"]} == seen
            called = await client.ask("tools/call", {"name": "delete_all", "arguments": {}}, id=7)
            if "delete_all" in seen:
                assert called.result
            else:
                assert called.error == (200, -32602)


# --- what the gateway sees ----------------------------------------------------------------------------------


@pytest.mark.spec("DW-402", "DW-415")
async def test_whoami_says_who_stands_behind_a_call(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        actor = {"sub": "ci", "client_id": "ci", "iss": here.mint.issuer}
        token = here.of_anna(act=actor)
        said = (await here.post({"Authorization": f"Bearer {token}"}, "/whoami/lab", "GET")).json()
        assert (said["subject"], said["human"], said["agent"]) == ("anna", True, "ci")
        assert said["issuer"] == here.mint.issuer
        assert said["actors"][0]["subject"] == "ci"
        assert said["scopes"] == ["lab:admin", "lab:read"]
        assert said["servers"] == ["lab"]
        assert said["bounds"]["people"] == [1]
        assert token.split(".")[2] not in json.dumps(said)
        for fields, path in (({}, "/whoami"), ({"Authorization": f"Bearer {token}"}, "/whoami")):
            refused = await here.post(fields, path, "GET")
            assert refused.status_code == 401
            assert challenge(refused)["resource_metadata"] == f"{PUBLIC}{METADATA}/mcp"
        call = await (await here.client(token)).call()
        assert call.result
        decision = [one for one in here.records() if one["kind"] == "decision"][-1]
        assert decision["actor"]["subject"] == "anna"
        assert decision["actor"]["human"] is True
        assert decision["actor"]["issuer"] == here.mint.issuer
        assert decision["actor"]["actors"] == ["ci"]
        assert decision["actor"]["chain"][0]["agent"] == "ci"
        assert {rule["id"].partition("[")[0] for rule in decision["decision"]["rules"]} == {
            "agents.ci.grants",
            "people",
        }


@pytest.mark.spec("DW-410")
async def test_a_key_goes_on_beside_tokens(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        client = await here.made.client("/mcp/lab")
        assert (await client.call("delete_all")).result
        await asyncio.sleep(0)
        assert {tool["name"] for tool in (await client.ask("tools/list")).result["tools"]} >= {"secret"}


@pytest.mark.spec("DW-430")
async def test_on_stdio_the_credential_is_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(tmp_path) as here:

        async def listed(credential: str | None) -> Json:
            monkeypatch.delenv(KEY_VARIABLE, raising=False)
            if credential is not None:
                monkeypatch.setenv(KEY_VARIABLE, credential)
            envelope = {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": {}}
            asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": envelope}}
            answer = await StdioClient(here.made.process).handle(json.dumps(asked).encode())
            assert answer is not None
            said: Json = json.loads(answer)
            return said

        for good in (here.made.keys["bot"], here.token(aud=f"{PUBLIC}/mcp")):
            assert len((await listed(good))["result"]["tools"]) >= 3
        for bad in (None, here.token(), "dw_live_x"):  # a token for /mcp/lab is none for all servers
            refused = (await listed(bad))["error"]
            assert refused["code"] == -31010
            assert refused["data"]["reason"] in ("credential_missing", "credential_invalid")
