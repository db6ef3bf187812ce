"""The admin API of a running gateway, as our own commands use it."""

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException  # noqa: TID251 - see client.py
from typing import Any, Final
from urllib.parse import quote, urlencode

from doorward.cli.client import UnixConnection
from doorward.cli.exit import CommandError, Exit

PREFIX: Final = "/api/v1"
PENDING: Final = "Doorward-Pending"
# The process that answers may have to start first.
TIMEOUT_S: Final = 60.0
MAX_BYTES: Final = 64 << 20


class AdminClient:
    """Implements app.admin.send.Send over HTTP; a connection for each operation."""

    def __init__(self, address: str, token: str, timeout: float = TIMEOUT_S) -> None:
        """`address`: `host:port` or `unix:path`."""
        self._address = address
        self._token = token
        self._timeout = timeout
        self.pending: str | None = None
        """Why the last change is stored and not in force yet."""

    def __call__(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Raises Refused, ValueError and DoorwardError as the operation does, CommandError(UNREACHABLE)."""
        asked = PREFIX + quote(path) + (f"?{urlencode(query)}" if query else "")
        status, said = self._exchange(method, asked, body)
        if status < 400:
            return said
        from doorward.cli.admin_wiring import raised

        raise raised(said.get("error"))

    def _exchange(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            self.pending = response.headers.get(PENDING)
            text = response.read(MAX_BYTES)
        except (OSError, HTTPException) as error:
            why = str(error) or type(error).__name__
            message = f"no answer from the admin plane at {self._address}: {why}"
            raise CommandError(Exit.UNREACHABLE, message, "doorward status says more") from None
        finally:
            connection.close()
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            message = f"{self._address} answered HTTP {response.status}: this is no Doorward admin plane"
            raise CommandError(Exit.UNREACHABLE, message)
        return response.status, said

    def _connection(self) -> HTTPConnection:
        if self._address.startswith("unix:"):
            return UnixConnection(self._address.removeprefix("unix:"), self._timeout)
        host, _, port = self._address.rpartition(":")
        return HTTPConnection(host.removeprefix("[").removesuffix("]"), int(port), timeout=self._timeout)
