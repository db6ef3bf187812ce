"""Short forms for listings and calls in tests."""

from typing import Any

from doorward.catalog.definitions import definitions
from doorward.catalog.snapshot import Listing, Snapshot
from doorward.model.call import Call
from doorward.model.target import Kind
from tests.support.calls import call_of

ALL = {"tools": {}, "prompts": {}, "resources": {}}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}} | more


def listing(
    server: str,
    *,
    tools: tuple[str, ...] = (),
    prompts: tuple[str, ...] = (),
    resources: tuple[str, ...] = (),
    templates: tuple[str, ...] = (),
    capabilities: dict[str, Any] | None = None,
    instructions: str | None = None,
) -> Listing:
    offered = {
        Kind.TOOL: [tool(name) for name in tools],
        Kind.PROMPT: [{"name": name} for name in prompts],
        Kind.RESOURCE: [{"uri": uri, "name": "r"} for uri in resources],
        Kind.TEMPLATE: [{"uriTemplate": template, "name": "t"} for template in templates],
    }
    found = {kind: definitions(server, kind, listed, ()) for kind, listed in offered.items()}
    said = ALL if capabilities is None else capabilities
    return Listing(server, found, said, {"name": f"{server}-server"}, instructions)


def snapshot(*listings: Listing) -> Snapshot:
    return Snapshot({one.server: one for one in listings})


def call(method: str, params: dict[str, Any], endpoint: str | None = "a") -> Call:
    return call_of(method, params, endpoint=endpoint)
