"""What a caller keeps open: a session with its stream, a listen, a process of its own; and how it ends."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.support import older
from tests.e2e.support.processes import wait_until
from tests.e2e.support.raw import call, headers, request

Json = dict[str, Any]
LEGACY = "2025-11-25"


class Stream:
    """An answer that goes on, read in a thread of its own until its end."""

    def __init__(self, method: str, url: str, fields: dict[str, str], body: Json | None = None) -> None:
        self._asked = method, url, fields, body
        self.status = 0
        self.text = b""
        self.ended = threading.Event()
        self._socket: socket.socket | None = None
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        method, url, fields, body = self._asked
        with (
            suppress(httpx2.HTTPError),
            httpx2.Client(timeout=None) as http,
            http.stream(method, url, headers=fields, json=body) as answer,
        ):
            self._socket = answer.extensions["network_stream"].get_extra_info("socket")
            self.status = answer.status_code
            for chunk in answer.iter_raw():
                self.text += chunk
        self.ended.set()

    def close(self) -> None:
        """From our side."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._reading.join(30)


class Held:
    """Everything that `bearer` can keep open at `url`, an endpoint of one stdio server."""

    def __init__(self, url: str, bearer: str) -> None:
        self.url = url
        self.bearer = bearer
        self.http = httpx2.Client(timeout=30)
        opened = self.legacy(
            "initialize",
            {
                "protocolVersion": LEGACY,
                "capabilities": {},
                "clientInfo": {"name": "held", "version": "1"},
            },
        )
        assert opened.status_code == 200, opened.text
        self.session = opened.headers["mcp-session-id"]
        self.legacy("notifications/initialized", None)
        fields = {**self._fields(), "Accept": "text/event-stream"}
        self.get = Stream("GET", url, fields)
        listen = request("l", "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        self.listen = Stream("POST", url, headers(bearer, "subscriptions/listen"), listen)
        wait_until(lambda: b"acknowledged" in self.listen.text, "the listen is acknowledged")
        wait_until(lambda: self.get.status == 200, "the stream is open")
        assert self.call().status_code == 200

    def close(self) -> None:
        """Nothing of it is left."""
        self.get.close()
        self.listen.close()
        self.http.close()

    def legacy(self, method: str, params: Json | None, bearer: str | None = None) -> httpx2.Response:
        """A message in the session, once there is one."""
        body: Json = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            body |= {"id": 1, "params": params}
        return self.http.post(self.url, json=body, headers=self._fields(bearer))

    def call(self, bearer: str | None = None) -> httpx2.Response:
        """list_files in the session."""
        return self.legacy("tools/call", {"name": "list_files", "arguments": {}}, bearer)

    def modern(self, bearer: str | None = None) -> httpx2.Response:
        """The same without a session."""
        return call(self.http, self.url, bearer or self.bearer, "list_files", {})

    @property
    def streams_ended(self) -> bool:
        return self.get.ended.is_set() and self.listen.ended.is_set()

    def _fields(self, bearer: str | None = None) -> dict[str, str]:
        fields = {
            "Authorization": f"Bearer {bearer or self.bearer}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": LEGACY,
        }
        session = getattr(self, "session", None)
        return fields if session is None else {**fields, "Mcp-Session-Id": session}


def processes(mark: str) -> set[int]:
    """With this word among their arguments, gateways not counted."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if mark.encode() in words and older.__file__.encode() in words:
                    found.add(int(entry.name))
    return found
