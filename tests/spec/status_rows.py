"""The table of exact failures of 2026-07-28 (transports, "Server Validation"; brief 2.2) as data.

A row has variants of one request: the usual call of `balance` with other fields, another body or verb.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.spec.peers import MODERN, Json

META = "io.modelcontextprotocol/"
VERSION, CAPABILITIES = f"{META}protocolVersion", f"{META}clientCapabilities"
ENVELOPE: Json = {VERSION: MODERN, CAPABILITIES: {}}
TO = {"type": "string", "x-mcp-header": "To"}
COUNT = {"type": "integer", "x-mcp-header": "Count"}
TOOLS: list[Json] = [
    {"name": "balance", "inputSchema": {"type": "object"}},
    {"name": "send", "inputSchema": {"type": "object", "properties": {"to": TO, "count": COUNT}}},
]
Fields = Mapping[str, str | tuple[str, ...] | None]


@dataclass(frozen=True)
class Variant:
    """`fields` replace the usual ones; None leaves one out, a tuple repeats one. `server` fails or asks."""

    name: str
    fields: Fields = field(default_factory=dict)
    body: Any = None
    verb: str = "POST"
    server: str = "honest"


@dataclass(frozen=True)
class Row:
    """`code` None: no JSON-RPC error. `id` says whether the error repeats the request's id."""

    spec: str
    name: str
    status: int
    code: int | None
    variants: tuple[Variant, ...]
    id: bool = True


def message(
    method: str = "tools/call", params: Json | None = None, meta: Any = ENVELOPE, **more: Any
) -> Json:
    given = {"name": "balance"} if params is None else params
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": given | {"_meta": meta}} | more
    return {name: value for name, value in body.items() if value is not ...}


def usual(method: str = "tools/call", name: str | None = "balance") -> dict[str, str | None]:
    return {"MCP-Protocol-Version": MODERN, "Mcp-Method": method, "Mcp-Name": name}


def of(
    method: str, params: Json, name: str | None = None, *, server: str = "honest", **fields: Any
) -> Variant:
    """A request of another method, in all agreement with its head but for `fields`."""
    heads = usual(method, name) | {f"Mcp-Param-{key}": value for key, value in fields.items()}
    return Variant(
        f"{method} {name or ''} {fields or ''}".strip(), heads, message(method, params), server=server
    )


def send(arguments: Json, **fields: Any) -> Variant:
    made = of("tools/call", {"name": "send", "arguments": arguments}, "send", **fields)
    return Variant(f"{arguments} {fields}", made.fields, made.body)


def body(name: str, said: Any) -> Variant:
    return Variant(name, {}, said if isinstance(said, bytes) else json.dumps(said).encode())


def head(**fields: Any) -> Variant:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return Variant(str(named), named)


NOTE: Json = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
NOTED = usual("notifications/cancelled", None)

ROWS = (
    Row(
        "DW-070",
        "Origin is not allowed",
        403,
        -32600,
        (head(Origin="https://evil.example"), head(Origin="null")),
        id=False,
    ),
    Row(
        "DW-071",
        "Host is not allowed",
        403,
        -32600,
        (head(Host="evil.example"), head(Host="127.0.0.1.evil.example")),
        id=False,
    ),
    Row(
        "DW-072",
        "GET or DELETE",
        405,
        -32600,
        (
            Variant("GET", {"Accept": "text/event-stream"}, b"", "GET"),
            Variant("DELETE", {}, b"", "DELETE"),
            Variant("PUT", {}, b"{}", "PUT"),
        ),
        id=False,
    ),
    Row(
        "DW-073",
        "Accept lacks a form",
        406,
        -32600,
        (head(Accept="text/html"), head(Accept="application/json"), head(Accept="text/event-stream")),
        id=False,
    ),
    Row("DW-073", "Accept is absent or anything", 200, None, (head(Accept=None), head(Accept="*/*"))),
    Row(
        "DW-074",
        "Content-Type is not JSON",
        415,
        -32600,
        (head(Content_Type="text/plain"), head(Content_Type=None), head(Content_Type="application/json-seq")),
        id=False,
    ),
    Row(
        "DW-075",
        "the body is not JSON",
        400,
        -32700,
        (
            body("nothing", b""),
            body("cut", b'{"jsonrpc":'),
            body("NaN", b'{"jsonrpc":"2.0","id":NaN}'),
            body("BOM", b"\xef\xbb\xbf{}"),
            body("not UTF-8", b'{"a":"\xff"}'),
        ),
        id=False,
    ),
    Row(
        "DW-076",
        "the envelope is bad",
        400,
        -32600,
        (
            body("batch", [message()]),
            body("empty batch", []),
            body("response", {"jsonrpc": "2.0", "id": 7, "result": {}}),
            body("id null", message(id=None)),
            body("id float", message(id=1.5)),
            body("id bool", message(id=True)),
            body("params array", message() | {"params": []}),
            body("no jsonrpc", message(jsonrpc=...)),
            body("empty method", message("")),
            body("other jsonrpc", message(jsonrpc="1.0")),
            body("repeated key", b'{"jsonrpc":"2.0","id":7,"id":7,"method":"x"}'),
        ),
        id=False,
    ),
    Row(
        "DW-077",
        "_meta or a required member of it is missing",
        400,
        -32602,
        (
            Variant(
                "no _meta",
                {},
                {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "balance"}},
            ),
            Variant("no params", {}, {"jsonrpc": "2.0", "id": 7, "method": "tools/call"}),
            Variant("no version", {}, message(meta={CAPABILITIES: {}})),
            Variant("no capabilities", {}, message(meta={VERSION: MODERN})),
            Variant("capabilities of another type", {}, message(meta={VERSION: MODERN, CAPABILITIES: []})),
        ),
    ),
    Row(
        "DW-078",
        "a header is missing, malformed, repeated or not what the body says",
        400,
        -32020,
        (
            *(
                head(**{name: value})
                for name, value in (
                    ("MCP_Protocol_Version", None),
                    ("MCP_Protocol_Version", "2025-11-25"),
                    ("MCP_Protocol_Version", ""),
                    ("MCP_Protocol_Version", (MODERN, MODERN)),
                    ("Mcp_Method", None),
                    ("Mcp_Method", "tools/list"),
                    ("Mcp_Method", "Tools/Call"),
                    ("Mcp_Method", ("tools/call", "tools/call")),
                    ("Mcp_Name", None),
                    ("Mcp_Name", "send"),
                    ("Mcp_Name", "Balance"),
                    ("Mcp_Name", ("balance", "balance")),
                    ("Mcp_Name", "=?base64?YmFsYW5jZQ=?="),
                    ("Mcp_Name", "=?base64?YmFs*W5jZQ==?="),
                )
            ),
            of("prompts/get", {"name": "greet"}),
            of("resources/read", {"uri": "doc://rates"}, "doc://vault"),
        ),
    ),
    Row(
        "DW-079",
        "a parameter's header is missing, malformed or not what the argument says",
        400,
        -32020,
        (
            send({"to": "a"}),
            send({"to": "a"}, To="b"),
            send({"to": "a"}, To="=?base64?YQ=?="),
            send({"to": None}, To="a"),
            send({}, To="a"),
            send({"count": 42}, Count="43"),
            send({"count": 42}, Count="4x"),
            send({"to": "a"}, To=("a", "a")),
        ),
    ),
    Row(
        "DW-079",
        "a parameter's header says what the argument says",
        200,
        None,
        (
            send({"to": "a"}, To="a"),
            send({"to": "ü"}, To="=?base64?w7w=?="),
            send({"count": 42}, Count="42.0"),
            send({"to": None}),
            send({}),
        ),
    ),
    Row(
        "DW-080",
        "the version is not served",
        400,
        -32022,
        tuple(
            Variant(version, {"MCP-Protocol-Version": version}, message(meta=ENVELOPE | {VERSION: version}))
            for version in ("2030-01-01", "draft")
        ),
    ),
    Row(
        "DW-081",
        "the method is not implemented",
        404,
        -32601,
        tuple(
            of(method, {"uri": "doc://rates", "level": "info"})
            for method in (
                "tools/steal",
                "initialize",
                "ping",
                "logging/setLevel",
                "resources/subscribe",
                "resources/unsubscribe",
                "tasks/get",
                "sampling/createMessage",
                "roots/list",
                "elicitation/create",
                "Tools/call",
            )
        ),
    ),
    Row(
        "DW-082",
        "a capability that the client did not declare is needed",
        400,
        -32021,
        (of("tools/call", {"name": "balance"}, "balance", server="asks"),),
    ),
    Row(
        "DW-083",
        "what is named is unknown",
        200,
        -32602,
        (
            of("tools/call", {"name": "nothing"}, "nothing"),
            of("prompts/get", {"name": "nothing"}, "nothing"),
            of("resources/read", {"uri": "no://thing"}, "no://thing"),
            of("tools/list", {"cursor": "page2"}),
            of("tools/call", {"name": "balance", "requestState": "forged", "inputResponses": {}}, "balance"),
        ),
    ),
    Row(
        "DW-084",
        "the server fails",
        200,
        -32603,
        (of("tools/call", {"name": "balance"}, "balance", server="fails"),),
    ),
    Row(
        "DW-085",
        "a notification is accepted",
        202,
        None,
        (
            Variant("cancelled", NOTED, NOTE),
            Variant("unknown", usual("notifications/x", None), NOTE | {"method": "notifications/x"}),
        ),
    ),
    Row(
        "DW-086",
        "a notification is refused",
        400,
        -32020,
        (
            Variant("no method", NOTED | {"Mcp-Method": None}, NOTE),
            Variant("other method", NOTED | {"Mcp-Method": "x"}, NOTE),
        ),
        id=False,
    ),
    Row(
        "DW-087",
        "the head alone is refused",
        401,
        -31010,
        (head(Authorization=None), Variant("and no body", {"Authorization": None}, b"")),
        id=False,
    ),
    Row(
        "DW-088",
        "session and event ids are ignored",
        200,
        None,
        (
            head(Mcp_Session_Id="nobody"),
            head(Last_Event_ID="1"),
            head(Mcp_Session_Id="a b", Last_Event_ID="x"),
        ),
    ),
)
