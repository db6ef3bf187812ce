"""How a client of the official Python SDK signs in and what it does then; the programs say which SDK.

`python PROGRAM TARGET`: see ../node/oauth.mjs, which does the same with the TypeScript SDK.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

Json = dict[str, Any]
Call = Callable[[str, Json], Awaitable[Any]]


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - the report


class Remembering:
    """Keeps what it is given."""

    def __init__(self, registered: OAuthClientInformationFull | None) -> None:
        self.tokens: OAuthToken | None = None
        self.registered = registered

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.registered

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.registered = client_info


class Application:
    """An application's half of OAuth: it remembers, and it opens a browser."""

    def __init__(self, target: Json, came_back: Callable[[Json], Any]) -> None:
        """`came_back`: the SDK's own form of what stands in the query of a callback."""
        described = {
            "client_name": "story",
            "redirect_uris": [target["callback"]],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "grant_types": ["authorization_code", "refresh_token"],
        }
        known = target.get("client")
        registered = {**described, "client_id": known, "issuer": target.get("issuer")} if known else None
        self.memory = Remembering(registered and OAuthClientInformationFull.model_validate(registered))
        self._came_back = came_back
        self.auth = OAuthClientProvider(
            target["url"],
            OAuthClientMetadata.model_validate(described),
            self.memory,
            self._open,
            self._wait,
            client_metadata_url=target.get("document"),
        )

    async def _open(self, url: str) -> None:
        say(authorize=url)

    async def _wait(self) -> Any:
        url = await asyncio.to_thread(sys.stdin.readline)
        return self._came_back(
            {name: value[0] for name, value in parse_qs(urlsplit(url.strip()).query).items()}
        )


async def tell(target: Json, names: list[str], call: Call, memory: TokenStorage) -> None:
    """Everything after the connection is there."""
    prefix = target.get("prefix", "")
    find = f"{prefix}find_customers", {"query": "Quill"}
    say(tools=sorted(names))
    say(found=shown(await call(*find)))
    await asyncio.sleep(target["rest"])
    say(again=shown(await call(*find)))
    say(deleted=shown(await call(f"{prefix}delete_customer", {"id": target["victim"]})))
    tokens, registered = await memory.get_tokens(), await memory.get_client_info()
    assert tokens is not None
    assert registered is not None
    say(scopes=sorted((tokens.scope or "").split()), client=registered.client_id)


def shown(result: Any) -> Json:
    failed = result.isError if hasattr(result, "isError") else result.is_error
    return {"text": "\n".join(part.text for part in result.content), "error": bool(failed)}


def target() -> Json:
    given: Json = json.loads(sys.argv[-1])
    return given
