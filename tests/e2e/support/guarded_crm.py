"""The demonstration's CRM behind TLS, or behind a bearer token that is read anew for each request."""

import argparse
import hmac
from pathlib import Path
from typing import Any

import uvicorn

from doorward.demo.servers.crm import LOOPBACK, server
from doorward.demo.servers.customers import Customers


class Guard:
    """ASGI: 401 unless the request carries the token that stands in the file now."""

    def __init__(self, app: Any, token: Path) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            expected = b"Bearer " + self._token.read_bytes().strip()
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, expected):
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await self._app(scope, receive, send)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--token", type=Path)
    args = parser.parse_args()
    customers = Customers(args.database)
    customers.seed()
    app: Any = server(customers).streamable_http_app(host=LOOPBACK)
    if args.token:
        app = Guard(app, args.token)
    uvicorn.run(
        app,
        host=LOOPBACK,
        port=args.port,
        log_level="warning",
        ssl_certfile=args.cert,
        ssl_keyfile=args.key,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
