"""An authorization server's documents and its introspection, on loopback, as a test wants them: also late,
wrong, or not at all."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from doorward.edge.h1 import Exchange, H1Server, HttpLimits

JSON = "application/json"
Said = tuple[int, str, bytes]
"""Status, media type, body."""


def said(value: Any, status: int = 200, kind: str = JSON) -> Said:
    """An answer: JSON, or bytes as they are."""
    return status, kind, value if isinstance(value, bytes) else json.dumps(value).encode()


class FakeIssuer:
    """Answers what stands in `documents` by path, and about tokens what stands in `active`."""

    def __init__(self) -> None:
        self.documents: dict[str, Said | Callable[[], Said]] = {}
        self.active: dict[str, Any] = {}
        """By token, what introspection says; of all others that they are not active."""
        self.asked: Counter[str] = Counter()
        """How often each path was asked for."""
        self.forms: list[dict[str, str]] = []
        """What introspection was asked, with `basic` where there was such a credential."""
        self.delay = 0.0
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def publish(self, path: str, keys: Any, **more: Any) -> str:
        """Metadata and keys of an issuer at this path (none, or with a leading slash); its name."""
        issuer = self.url + path
        self.documents[f"/.well-known/oauth-authorization-server{path}"] = said(
            {"issuer": issuer, "jwks_uri": f"{issuer}/jwks", "introspection_endpoint": f"{issuer}/introspect"}
            | more
        )
        self.documents[f"{path}/jwks"] = said(keys)
        return issuer

    def handle(self, exchange: Exchange) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, exchange: Exchange) -> None:
        path = exchange.request.path
        self.asked[path] += 1
        await asyncio.sleep(self.delay)
        found = self.documents.get(path)
        if path.endswith("/introspect") and found is None:
            status, kind, body = said(self._introspected(exchange))
        else:
            status, kind, body = found() if callable(found) else found or said({"error": "none"}, 404)
        exchange.respond(status, [(b"content-type", kind.encode())], body)

    def _introspected(self, exchange: Exchange) -> Any:
        form = {name: values[0] for name, values in parse_qs(exchange.request.body.decode()).items()}
        scheme, _, coded = exchange.request.headers.get(b"authorization", b"").partition(b" ")
        if scheme == b"Basic":
            form["basic"] = unquote_plus(base64.b64decode(coded).decode())
        self.forms.append(form)
        return self.active.get(form.get("token", ""), {"active": False})


@asynccontextmanager
async def serving(issuer: FakeIssuer) -> AsyncIterator[FakeIssuer]:
    """While it answers, `issuer.url` is where."""
    server = H1Server(issuer.handle, HttpLimits())
    _, port = await server.listen_tcp("127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{port}"
    try:
        yield issuer
    finally:
        await server.drain(1.0)
