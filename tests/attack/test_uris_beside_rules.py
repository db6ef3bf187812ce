"""A caller spells a URI so that the rules see one resource and its server another (RFC 3986 section 6)."""

from pathlib import Path

import pytest

from tests.spec.peers import LATEST, MODERN, Json, Peer
from tests.spec.world import world

pytestmark = [pytest.mark.asyncio, pytest.mark.enable_socket]

GRANTS: Json = {
    "grants": [
        {"servers": ["docs"], "resources": {"allow": ["file:///docs/*"], "deny": ["file:///docs/secret/*"]}}
    ]
}
BESIDE = [
    "file:///docs/../etc/passwd",
    "file:///docs/a/%2e%2E/%2e%2e/etc/passwd",
    "file:///docs/..%2fetc/passwd",
    "file:///docs/a/..\\..\\etc",
    "file:///docs/a/../secret/key",
    "file:///docs/./secret/key",
    "file:///docs//secret/key",
    "file:///docs/%73ecret/key",
]


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize("path", ["/mcp/docs", "/mcp"])
async def test_what_the_rules_cannot_judge_reaches_no_server(version: str, path: str, tmp_path: Path) -> None:
    peer = Peer(LATEST)
    peer.capabilities = {"resources": {"subscribe": True}}
    prefix = "" if path == "/mcp/docs" else "docs+"
    async with world(tmp_path, {"docs": peer}, agents={"bot": GRANTS}) as made:
        client = await made.client(path, version)
        hidden = await client.ask("resources/read", {"uri": prefix + "file:///docs/secret/key"}, id=7)
        for uri in BESIDE:
            said = await client.ask("resources/read", {"uri": prefix + uri}, id=7)
            assert said.status == hidden.status
            assert said.message["error"] == hidden.message["error"] | {"data": {"uri": prefix + uri}}
            if version != MODERN:
                said = await client.ask("resources/subscribe", {"uri": prefix + uri})
                assert "error" in said.message
        assert not [*peer.asked("resources/read"), *peer.asked("resources/subscribe")]

        peer.results["resources/read"] = {"contents": [{"uri": "file:///docs/a/b.txt", "text": "b"}]}
        read = await client.ask("resources/read", {"uri": prefix + "file:///docs/a/b.txt"})
        assert read.result["contents"][0]["text"] == "b"


async def test_a_server_may_list_what_it_likes(tmp_path: Path) -> None:
    """What stands in a list is one thing to everybody, and decided by its text."""
    peer = Peer(LATEST)
    peer.capabilities = {"resources": {}}
    odd = "file:///docs/%7Eanna//a"
    peer.results["resources/list"] = {"resources": [{"uri": odd, "name": "a"}]}
    peer.results["resources/read"] = {"contents": [{"uri": odd, "text": "a"}]}
    async with world(tmp_path, {"docs": peer}, agents={"bot": GRANTS}) as made:
        client = await made.client("/mcp/docs", MODERN)
        assert (await client.ask("resources/read", {"uri": odd})).result["contents"][0]["text"] == "a"
