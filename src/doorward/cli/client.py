"""A small HTTP client for a gateway: GET, and MCP 2026-07-28 requests, which need no session."""

import base64
import json
import re
import socket
import ssl
from collections.abc import Iterator
from http.client import (  # noqa: TID251 - a command may block, and starts faster without a client library
    HTTPConnection,
    HTTPException,
)
from typing import Any, Final, NamedTuple

from doorward import __version__
from doorward.cli.exit import CommandError, Exit
from doorward.cli.pinned import PinnedConnection
from doorward.cli.running import Listener
from doorward.cli.trust import TlsFiles

VERSION: Final = "2026-07-28"
_LOCAL_HEADER: Final = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
MAX_BYTES: Final = 64 << 20
_META: Final = "io.modelcontextprotocol/"
_PLAIN_NAME: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class Answer(NamedTuple):
    """An HTTP answer, read to its end."""

    status: int
    content_type: str
    body: bytes


class RpcFailure(Exception):
    """The gateway answered with a JSON-RPC error, or with an HTTP status that carries none (code 0)."""

    def __init__(self, status: int, code: int, message: str, data: dict[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.data = data


class Client:
    """Talks to one listener; a connection for each request."""

    def __init__(
        self,
        listener: Listener,
        key: str | None = None,
        timeout: float = 10.0,
        files: TlsFiles = TlsFiles(),  # noqa: B008 - a tuple does not change
    ) -> None:
        """`timeout` in seconds; `files.ca` is not used: a listener's own file is what we trust."""
        self._listener = listener
        self._address = listener.address
        self._key = key
        self._timeout = timeout
        self._files = files

    def get(self, path: str) -> Answer:
        """As an operator: of this machine, and able to read the lock. Raises CommandError(UNREACHABLE)."""
        operator = self._listener.operator
        return self._exchange("GET", path, None, {"X-Doorward-Operator": operator} if operator else {})

    def whoami(self, server: str | None) -> Answer:
        """What the gateway sees of our credential. Raises CommandError(UNREACHABLE)."""
        return self._exchange("GET", "/whoami" if server is None else f"/whoami/{server}", None, {})

    def call(
        self, endpoint: str, method: str, params: dict[str, Any], name: str | None = None
    ) -> dict[str, Any]:
        """The result of one request. Raises RpcFailure, CommandError(UNREACHABLE)."""
        envelope = {
            f"{_META}protocolVersion": VERSION,
            f"{_META}clientCapabilities": {},
            f"{_META}clientInfo": {"name": "doorward-cli", "version": __version__},
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": envelope}}
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": method,
        }
        if name is not None:
            headers["Mcp-Name"] = header_value(name)
        answer = self._exchange("POST", endpoint, json.dumps(message).encode(), headers)
        return _result(answer)

    def _exchange(self, verb: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if self._key is not None:
            headers = {**headers, "Authorization": f"Bearer {self._key}"}
        connection = _connection(self._listener, self._timeout, self._files)
        try:
            connection.request(verb, path, body, headers)
            response = connection.getresponse()
            content = response.read(MAX_BYTES + 1)
        except (FileNotFoundError, ConnectionRefusedError):
            message, hint = f"nobody listens at {self._address}", "start it: doorward serve"
            raise CommandError(Exit.UNREACHABLE, message, hint) from None
        except (OSError, HTTPException) as error:
            why = _refusal(error) or str(error) or type(error).__name__
            raise CommandError(Exit.UNREACHABLE, f"no answer from {self._address}: {why}") from None
        finally:
            connection.close()
        if len(content) > MAX_BYTES:
            raise CommandError(Exit.UPSTREAM, f"the answer is larger than {MAX_BYTES} bytes")
        return Answer(response.status, response.headers.get_content_type(), content)


def header_value(name: str) -> str:
    """A name as `Mcp-Name` carries it: as it is, or as `=?base64?...?=` (2026-07-28, transports)."""
    if _PLAIN_NAME.fullmatch(name) and not name.startswith("=?"):
        return name
    return f"=?base64?{base64.b64encode(name.encode()).decode()}?="


class _Local(HTTPConnection):
    """Begins with the PROXY header of a proxy that speaks for itself (PROXY protocol 2.2, LOCAL). Over TLS
    too: `HTTPSConnection`, which then comes before it, calls this `connect` before it shakes hands."""

    def connect(self) -> None:
        super().connect()
        self.sock.sendall(_LOCAL_HEADER)


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _LocalUnixConnection(UnixConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.sendall(_LOCAL_HEADER)


class _LocalPinnedConnection(PinnedConnection, _Local):
    pass


def _connection(listener: Listener, timeout: float, files: TlsFiles) -> HTTPConnection:
    address, preface = listener.address, listener.preface
    if address.startswith("unix:"):
        kind = _LocalUnixConnection if preface else UnixConnection
        return kind(address.removeprefix("unix:"), timeout)
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    # A listener on every address is reached through loopback.
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    if listener.certificate:
        pinned = _LocalPinnedConnection if preface else PinnedConnection
        return pinned(reachable, int(port), timeout, listener.certificate, files)
    return (_Local if preface else HTTPConnection)(reachable, int(port), timeout=timeout)


def _refusal(error: Exception) -> str | None:
    """In TLS 1.3 a client hears only after its handshake what the gateway thinks of its certificate."""
    if isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in (error.reason or ""):
        return "it wants a client certificate: --client-cert FILE"
    return None


def _result(answer: Answer) -> dict[str, Any]:
    for message in _messages(answer):
        if message.get("id") == 1 and isinstance(message.get("result"), dict):
            result: dict[str, Any] = message["result"]
            return result
        error = message.get("error")
        if isinstance(error, dict):
            data = error.get("data")
            code, text = error.get("code"), str(error.get("message", ""))
            raise RpcFailure(
                answer.status,
                code if isinstance(code, int) else 0,
                text,
                data if isinstance(data, dict) else {},
            )
    raise RpcFailure(answer.status, 0, f"the gateway answered HTTP {answer.status} without a result", {})


def _messages(answer: Answer) -> Iterator[dict[str, Any]]:
    """JSON-RPC messages of a JSON body or of an event stream; what is neither is passed over."""
    if answer.content_type == "text/event-stream":
        bodies = [event.encode() for event in _events(answer.body.decode(errors="replace"))]
    else:
        bodies = [answer.body]
    for body in bodies:
        try:
            message = json.loads(body)
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message


def _events(text: str) -> Iterator[str]:
    """Data of each event (WHATWG HTML section 9.2.6)."""
    data: list[str] = []
    for line in re.split("\r\n|\n|\r", text):
        if not line and data:
            yield "\n".join(data)
            data = []
        elif line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
