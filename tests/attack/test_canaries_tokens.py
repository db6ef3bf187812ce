"""A token opens this gateway and goes no further: neither it nor anything that stands in it reaches a server,
a file, a line on the terminal, or another caller.

What records do hold by design is not planted: issuer, subject, client and actors (audit-records.md).
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.attack.canaries import files, planted, seen
from tests.attack.players import PLAYER
from tests.spec.peers import LATEST, MODERN, Json, Peer
from tests.spec.world import EVERYTHING, Client, World, world
from tests.support.issuer import FakeIssuer, serving
from tests.support.tokens import Mint

pytestmark = pytest.mark.enable_socket

PUBLIC = "https://gw.example.com"
CLAIMS = planted("jti sid email name phone nested group scope role acr actor_extra may_act thumbprint jkt")
"""Of tokens that are let in, and of some that are not."""
OTHERS = planted("cookie opaque introspected client_secret query second proxy_token dpop bad_claim bad_kid")
FIELDS = {
    "Cookie": f"session={OTHERS['cookie']}",
    "Proxy-Authorization": f"Bearer {OTHERS['proxy_token']}",
    "DPoP": OTHERS["dpop"],
}


def claims(path: str) -> Json:
    """Of a human with an actor; everything in it that somebody could want to know."""
    return {
        "aud": PUBLIC + path,
        "sub": "anna",
        "client_id": "app",
        "jti": CLAIMS["jti"],
        "sid": CLAIMS["sid"],
        "email": f"{CLAIMS['email']}@example.com",
        "name": CLAIMS["name"],
        "phone_number": CLAIMS["phone"],
        "https://example.com/more": {"a": [{"b": CLAIMS["nested"]}]},
        "groups": [CLAIMS["group"], "eng"],
        "scope": f"lab:read {CLAIMS['scope']}",
        "roles": [CLAIMS["role"]],
        "acr": CLAIMS["acr"],
        "act": {"sub": "ci", "client_id": "ci", "extra": CLAIMS["actor_extra"]},
        "may_act": {"sub": CLAIMS["may_act"]},
    }


def refused(mint: Mint) -> dict[str, str]:
    """Tokens that nobody lets in, by what is wrong with them."""
    stranger = Mint(mint.issuer, f"{PUBLIC}/mcp")
    said = claims("/mcp")
    bound = {"x5t#S256": CLAIMS["thumbprint"]}
    return {
        "signature": stranger.token(**said),
        "expired": mint.token(**said, exp=1_700_000_000, iat=1_699_999_000),
        "bound to a certificate": mint.token(**said, cnf=bound),
        "bound to a key": mint.token(**said, cnf={"jkt": CLAIMS["jkt"]}),
        "malformed": mint.token(**said, nbf=OTHERS["bad_claim"]),
        "kid": mint.token(**said, head={"kid": OTHERS["bad_kid"]}),
        "audience": mint.token(**said | {"aud": f"https://{OTHERS['bad_claim']}.example"}),
    }


def config(issuer: FakeIssuer, mint: Mint) -> Json:
    asks = {"client_id": "gateway", "client_secret": OTHERS["client_secret"]}
    return {
        "gateway": {"public_url": PUBLIC},
        "auth": {
            "keys": True,
            "issuers": [
                {"issuer": mint.issuer},
                {"issuer": f"{issuer.url}/opaque", "introspection": asks},
            ],
        },
        "people": [{"issuer": mint.issuer, "group": "eng", **EVERYTHING}],
        "servers": {},
    }


async def use(made: World, tokens: dict[str, str], opaque: str) -> None:
    """Each way of a call with each kind of token, in both eras."""
    for version in (LATEST, MODERN):
        for path, token in (*tokens.items(), ("/mcp", opaque)):
            client = await fielded(made, token, path, version)
            for server in ("lab", "box"):
                tool = f"{server}__echo" if path == "/mcp" else "echo"
                arguments: Json = {"tell": 1} if server == "box" else {}
                said = await client.ask("tools/call", {"name": tool, "arguments": arguments})
                if path in ("/mcp", f"/mcp/{server}"):
                    assert "result" in said.message, said.message
                    assert not seen(json.dumps(said.message).encode(), CLAIMS | OTHERS)
            await client.ask("tools/list")


async def fielded(made: World, token: str, path: str, version: str) -> Client:
    client = Client(made.http, path, token, version, {})
    client.fields |= FIELDS
    if version != MODERN:
        await client.open()
    return client


async def abuse(made: World, bad: dict[str, str], good: str) -> None:
    """What is refused, and what is malformed; answers repeat nothing of it."""
    body: Json = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    usual = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
    tries: list[tuple[str, list[tuple[str, str]]]] = [
        *(("/mcp", [("Authorization", f"Bearer {token}")]) for token in bad.values()),
        (f"/mcp?access_token={OTHERS['query']}", []),
        ("/mcp", [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {OTHERS['second']}")]),
        ("/mcp", [("Authorization", f"Basic {OTHERS['second']}")]),
        ("/mcp", [("Authorization", f"DPoP {good}"), ("DPoP", OTHERS["dpop"])]),
        ("/mcp", [("Cookie", f"access_token={good}")]),
    ]
    for path, fields in tries:
        said = await made.http.post(path, json=body, headers=[*usual, *fields])
        assert said.status_code in (400, 401), said.text
        shown = said.content + repr(said.headers).encode()
        assert not seen(shown, CLAIMS | OTHERS)
        assert good.split(".")[2].encode() not in shown


@pytest.mark.asyncio
async def test_nothing_of_a_token_goes_any_further(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    peer = Peer()
    async with serving(FakeIssuer()) as issuer:
        mint = Mint(f"{issuer.url}/realm", f"{PUBLIC}/mcp")
        issuer.publish("/realm", mint.public())
        issuer.publish("/opaque", mint.public())
        opaque = OTHERS["opaque"]
        issuer.active[opaque] = {
            "active": True, "iss": f"{issuer.url}/opaque", "sub": "ci", "client_id": "ci",
            "aud": f"{PUBLIC}/mcp", "exp": 4_000_000_000 // 2, "scope": "a", "email": OTHERS["introspected"],
            "token_type": "Bearer", "jti": OTHERS["introspected"],
        }  # fmt: skip
        tokens = {path: mint.token(**claims(path)) for path in ("/mcp", "/mcp/lab", "/mcp/box")}
        bad = refused(mint)
        match = [
            {"issuer": f"{issuer.url}/{name}", "client_id": client}
            for name in ("realm", "opaque")
            for client in ("app", "ci")
        ]
        more = config(issuer, mint)
        del more["servers"]
        box: Json = {"command": [sys.executable, "-S", "-E", PLAYER, "legacy"]}
        agents: Json = {"ci": {**EVERYTHING, "match": match}, "other": EVERYTHING}
        more["servers"] = {"box": box}
        async with world(tmp_path, {"lab": peer}, agents=agents, more=more) as made, asyncio.timeout(60):
            await use(made, tokens, opaque)
            await abuse(made, bad, tokens["/mcp"])
            other = await made.client("/mcp", MODERN, agent="other")
            watched = await other.ask("tools/list")
            assert not seen(json.dumps(watched.message).encode(), CLAIMS | OTHERS)
            ready = await made.http.get("/readyz")
            assert not seen(ready.content, CLAIMS | OTHERS)
    words = CLAIMS | OTHERS
    signatures = {token.split(".")[2] for token in (*tokens.values(), *bad.values())}

    def check(what: str, data: bytes, allowed: frozenset[str] = frozenset()) -> None:
        assert not seen(data, words) - allowed, what
        assert not any(one.encode() in data for one in signatures), what

    assert len(peer.seen) >= 8
    for asked in peer.seen:
        check("what the server heard", repr(vars(asked)).encode())
    for name, data in files(tmp_path / "state"):
        check(name, data)
    shown = capfd.readouterr()
    check("the terminal", (shown.out + shown.err + caplog.text).encode())


def test_the_search_would_find_them(tmp_path: Path) -> None:
    """A token in a file is found by any claim in it, whatever stands before it in its payload."""
    mint = Mint("https://id.example", PUBLIC)
    found: set[Any] = set()
    for padding in ("", "x", "xx"):
        (tmp_path / "log").write_text(f"refused {padding} {mint.token(pad=padding, **claims('/mcp'))}")
        ((_, data),) = files(tmp_path)
        found = seen(data, CLAIMS)
        assert found >= set(CLAIMS) - {"thumbprint", "jkt"}
