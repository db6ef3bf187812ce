"""What a round asks of a target, and what is expected to come of it: data for stories and their test."""

import base64
from typing import Any

from tests.e2e.support.actors import LEGACY, MODERN, Client, Server

Json = dict[str, Any]

TOOLS = {
    "add": {"a": 2, "b": 3},
    "fail": {},
    "slow": {"steps": 3},
    "hang": {},
    "cancellations": {},
    "say": {},
    "grow": {},
    "touch": {"uri": "note://one"},
    "ask_name": {},
    "ask_model": {},
    "ask_roots": {},
}
KINDS = {"ask_name": "elicitation", "ask_model": "sampling", "ask_roots": "roots"}
METHODS = {"ask_name": "elicitation/create", "ask_model": "sampling/createMessage", "ask_roots": "roots/list"}
_NO_ROOTS = "Method not found (bridge_unsupported: roots is not carried across eras)"
ROOTS_REFUSED = {
    "py1-http": f"Error executing tool ask_roots: {_NO_ROOTS}",
    "ts1-stdio": f"MCP error -32601: {_NO_ROOTS}",
}
"""What those say that ask for roots in no call, which no modern caller has: they are refused at once."""
PATHS = ("/mcp/{server}", "/mcp")
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
VERSIONS = {LEGACY: "2025-11-25", MODERN: "2026-07-28"}


def calls(server: Server) -> list[str]:
    """The tools that the story calls there, guarded apart."""
    parts = {"touch": "subscribe", "grow": "grow", "say": "say"} | dict.fromkeys(KINDS, "ask")
    return [name for name in TOOLS if parts.get(name) not in server.lacks]


def grants(server: Server) -> list[Json]:
    """For the one agent: what the story calls, `guarded` with small numbers, nothing of what is hidden."""
    allowed = {"tools": {"allow": [*calls(server), "extra"]}}
    guarded = {"tools": {"allow": ["guarded"]}, "when": {"arguments.n": {"at_most": 10}}}
    notes = {"resources": {"allow": ["note://*"]}, "prompts": {"allow": ["greet"]}}
    return [{"servers": [server.name], **allowed, **notes}, {"servers": [server.name], **guarded}]


def prefixes(server: Server, path: str) -> tuple[str, str]:
    """Of names and of URIs."""
    return (f"{server.name}__", f"{server.name}+") if path == "/mcp" else ("", "")


def target(server: Server, url: str, key: str, path: str) -> Json:
    """What is told to the story, as story.py reads it."""
    p, u = prefixes(server, path)
    made: Json = {
        "id": f"{server.name} {path}",
        "server": server.name,
        "url": url + path.format(server=server.name),
        "key": key,
        "calls": {name: [p + name, TOOLS[name]] for name in calls(server)},
        "prefixes": {"name": p, "uri": u, "uriTemplate": u},
        "lists": {"tools": "name", "prompts": "name", "resources": "uri", "templates": "uriTemplate"},
        "reads": {"text": f"{u}note://one", "blob": f"{u}note://pixel", "line": f"{u}note://anna/line"},
        "prompt": [f"{p}greet", {"name": "Anna"}],
        "refused": {
            "denied": ["call", f"{p}guarded", {"n": 11}],
            "hidden tool": ["call", f"{p}secret", {}],
            "unknown tool": ["call", f"{p}nothing", {}],
            "hidden resource": ["read", f"{u}private://diary"],
            "unknown resource": ["read", f"{u}other://thing"],
            "hidden prompt": ["prompt", f"{p}confess", {}],
        },
    }
    if "complete" not in server.lacks:
        named = {"name": "name", "value": "An"}
        made["complete"] = [{"type": "ref/prompt", "name": f"{p}greet"}, named]
        made["refused"]["hidden reference"] = [
            "complete",
            {"type": "ref/prompt", "name": f"{p}confess"},
            named,
        ]
    if "subscribe" not in server.lacks:
        made["watched"] = f"{u}note://one"
        made["refused"]["hidden subscription"] = ["subscribe", f"{u}private://diary"]
    return made


def expected(client: Client, server: Server, path: str) -> Json:
    """What the story tells of this client at this server. Names of keys are steps of the story."""
    p, u = prefixes(server, path)
    seen: Json = {
        "version": VERSIONS[client.era],
        "tools": sorted(p + name for name in [*calls(server), "guarded"]),
        "prompts": [f"{p}greet"],
        "resources": [f"{u}note://one", f"{u}note://pixel"],
        "templates": [f"{u}note://{{name}}/line"],
        "add": {"structured": {"total": 5}},
        "fail": {"text": server.failure, "error": True},
        "text": [[f"{u}note://one", "the first note"]],
        "blob": [[f"{u}note://pixel", PIXEL]],
        "line": [[f"{u}note://anna/line", "a line of anna"]],
        "prompt": ["Greet Anna."],
        "slow": {"text": "done"},
        "progress": [[1, 3], [2, 3], [3, 3]],
        "cancelled": True,
    }
    if client.logs and "say" not in server.lacks:
        # Version 1 of the TypeScript SDK logs on no call's stream, and no modern client hears what is there.
        seen["say"] = {"text": "said"}
        seen["logged"] = [] if (server.name, client.era) == ("ts1-http", MODERN) else ["a warning"]
    if "complete" not in server.lacks:
        seen["complete"] = ["Anna", "Anders"]
    if client.listens and "grow" not in server.lacks:
        seen |= {"list_changed": True, "grown": [f"{p}extra"]}
        if "subscribe" not in server.lacks:
            seen["updated"] = True
    if "ask" not in server.lacks:
        seen |= answers(client, server)
    if client.era == LEGACY:
        seen["ping"] = "pong"
    return seen | {f"refused {label}": told for label, told in refusals(client, server).items()}


def answers(client: Client, server: Server) -> Json:
    """The server asks in the middle of a call; across eras that fails, and says so."""
    if server.deaf and client.era == LEGACY:
        why = (
            "Cannot request input 'it' ({}): the client on this 2025-era connection did not declare the "
            "required capability (no client capabilities are available on this connection — per-request "
            "legacy serving cannot receive server-to-client requests)"
        )
        return {name: {"text": why.format(method), "error": True} for name, method in METHODS.items()}
    if client.era in server.eras:
        said = {"ask_name": "Hello, Anna", "ask_model": "m1: more", "ask_roots": "file:///work"}
        return {name: {"text": text} for name, text in said.items()}
    why = f"server {server.name} needs {{}} from its client during a call, which is not carried across eras"
    seen: Json = {
        name: {"code": -32603, "message": why.format(kind), "reason": "bridge_unsupported"}
        for name, kind in KINDS.items()
    }
    if server.name in ROOTS_REFUSED:
        seen["ask_roots"] = {"text": ROOTS_REFUSED[server.name], "error": True}
    return seen


def refusals(client: Client, server: Server) -> Json:
    """After each of them the same session goes on: `alive`."""
    unknown = client.missing if client.era == LEGACY else -32602
    errors = {
        "hidden tool": (-32602, "Unknown tool"),
        "unknown tool": (-32602, "Unknown tool"),
        "hidden resource": (unknown, "Unknown resource"),
        "unknown resource": (unknown, "Unknown resource"),
        "hidden prompt": (-32602, "Unknown prompt"),
    }
    if "complete" not in server.lacks:
        errors["hidden reference"] = (-32602, "Unknown reference")
    if "subscribe" not in server.lacks and client.era == LEGACY:
        errors["hidden subscription"] = (unknown, "Unknown resource")
    seen: Json = {"denied": {"refusal": {"denied": "argument_not_allowed", "error": True}, "alive": True}}
    for label, (code, message) in errors.items():
        seen[label] = {"refusal": {"code": code, "message": message}, "alive": True}
    return seen
