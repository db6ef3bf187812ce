"""What HTTP wants repeated in headers and stdio never says: era, version, session, mirrored arguments.

No I/O. Sources: MCP transports of 2025-11-25 ("Session Management", "Protocol Version Header") and 2026-07-28
("Standard headers", "Custom headers from tool parameters").
"""

import re
from typing import Any, Final

import msgspec

from doorward.app.relay.flight import Flight
from doorward.model.call import Era
from doorward.model.errors import CallerError
from doorward.wire import headers, jsonrpc, meta, versions
from doorward.wire.era import claims_modern
from doorward.wire.param_headers import ANNOTATION

Fields = list[tuple[bytes, bytes]]

MAX_SCHEMAS: Final = 1024
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,256}").fullmatch
_SESSION_ID: Final = re.compile(rb"[\x21-\x7e]{1,512}").fullmatch
_ANNOTATION: Final = ANNOTATION.encode()


class _Opened(msgspec.Struct):
    protocolVersion: str  # noqa: N815 - MCP's name


class _Tool(msgspec.Struct):
    name: str
    inputSchema: Any = None  # noqa: N815 - MCP's name


class _Tools(msgspec.Struct):
    tools: list[_Tool]


_decode_opened = msgspec.json.Decoder(_Opened).decode
_decode_tools = msgspec.json.Decoder(_Tools).decode


class Peer:
    """One client, seen from its messages and from the answers to them."""

    def __init__(self) -> None:
        self.session_id: bytes | None = None
        self.legacy_version: str | None = None
        """Negotiated by `initialize`."""
        self._modern_version = versions.MODERN
        self._schemas: dict[str, Any] = {}
        """inputSchema of tools whose arguments are mirrored, the last listed last; bounded."""

    def read(self, line: bytes) -> Flight:
        """The line with its era. A line that cannot be read goes the legacy way, which promises nothing."""
        try:
            message = jsonrpc.parse(line)
        except CallerError:
            return Flight(line, None, Era.LEGACY)
        return Flight(line, message, self._era(message))

    def fields(self, flight: Flight) -> Fields | None:
        """The MCP header fields of its POST; None for a method that no header can name (nobody has it)."""
        message = flight.message
        if flight.era is Era.LEGACY:
            if isinstance(message, jsonrpc.Request) and message.method == "initialize":
                return []
            flight.session_id = self.session_id
            return self.session_fields()
        assert isinstance(message, jsonrpc.Request | jsonrpc.Notification)
        if not _VISIBLE(message.method):
            return None
        params = message.params or {}
        schema = self._schemas.get(str(params.get("name"))) if message.method == "tools/call" else None
        version = _claim(message) or self._modern_version
        return headers.upstream_headers(Era.MODERN, version, message.method, params, input_schema=schema)

    def session_fields(self) -> Fields:
        """What every message of the legacy session carries."""
        session_id = None if self.session_id is None else self.session_id.decode("latin-1")
        return headers.upstream_headers(Era.LEGACY, self.legacy_version, "", None, session_id=session_id)

    def learn(self, flight: Flight, result: bytes, session_id: bytes | None) -> None:
        """Take what later headers need from a result on its way to the client.

        A session id that is not visible ASCII (MCP 2025-11-25) is treated as none.
        """
        if flight.method == "initialize":
            self.session_id = session_id if session_id and _SESSION_ID(session_id) else None
            self.legacy_version = _negotiated(result)
        elif flight.method == "tools/list" and (self._schemas or _ANNOTATION in result):
            self._remember(result)

    def forget_session(self, session_id: bytes | None) -> None:
        """The gateway does not know it any more; a fresh `initialize` opens another."""
        if session_id is not None and session_id == self.session_id:
            self.session_id = None

    def _era(self, message: jsonrpc.Message | jsonrpc.Batch) -> Era:
        if isinstance(message, jsonrpc.Batch):
            return Era.LEGACY
        if claims_modern(message):
            self._modern_version = _claim(message) or self._modern_version
            return Era.MODERN
        # A modern notification claims nothing (2026-07-28); before any handshake there is no legacy one.
        handshake = self.legacy_version is not None or self.session_id is not None
        alone = isinstance(message, jsonrpc.Notification) and not handshake
        return Era.MODERN if alone and not _belongs_to_handshake(message) else Era.LEGACY

    def _remember(self, result: bytes) -> None:
        try:
            listed = _decode_tools(result).tools
        except (msgspec.MsgspecError, RecursionError):
            return  # the client is about to find out for itself
        for tool in listed:
            self._schemas.pop(tool.name, None)
            if _ANNOTATION in msgspec.json.encode(tool.inputSchema):
                self._schemas[tool.name] = tool.inputSchema
        while len(self._schemas) > MAX_SCHEMAS:
            del self._schemas[next(iter(self._schemas))]


def _claim(message: jsonrpc.Request | jsonrpc.Notification | jsonrpc.Response) -> str | None:
    """The version in `params._meta`; None for one that no header can carry: the gateway sees a mismatch."""
    params = None if isinstance(message, jsonrpc.Response) else message.params
    found = (params or {}).get("_meta")
    version = found.get(meta.PROTOCOL_VERSION) if isinstance(found, dict) else None
    return version if isinstance(version, str) and _VISIBLE(version) else None


def _belongs_to_handshake(message: jsonrpc.Message) -> bool:
    return isinstance(message, jsonrpc.Notification) and message.method == "notifications/initialized"


def _negotiated(result: bytes) -> str | None:
    try:
        version = _decode_opened(result).protocolVersion
    except (msgspec.MsgspecError, RecursionError):
        return None
    return version if version in versions.LEGACY_VERSIONS else None
