"""What a call is aimed at, and the definitions that servers list."""

from enum import StrEnum
from typing import Any

import msgspec


class Kind(StrEnum):
    """What a target is. The value is part of audit records."""

    TOOL = "tool"
    PROMPT = "prompt"
    RESOURCE = "resource"
    TEMPLATE = "template"
    GATEWAY = "gateway"
    """Answered by us from what we know: initialize, ping, server/discover, lists, logging/setLevel."""


class OperationClass(StrEnum):
    """What a call may do to the world (DESIGN section 6). Unknown counts as WRITE."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"
    EXTERNAL = "external"


class Definition(msgspec.Struct, frozen=True):
    """One tool, prompt, resource or template as its server last listed it."""

    server: str
    kind: Kind
    name: str
    """The server's own name: tool or prompt name, resource URI, or URI template."""
    listed: dict[str, Any]
    """The listed object, untouched."""
    digest: str
    """SHA-256 (hex) over canonical JSON of `listed`."""
    op_class: OperationClass
    safe: tuple[str, ...] = ()
    """Arguments whose values an operator allowed into the record."""


class Target(msgspec.Struct, frozen=True):
    """Where a call goes. Compared and cached by identity of (server, kind, name)."""

    server: str
    """Configured server name; "" for Kind.GATEWAY."""
    kind: Kind
    name: str
    """The name the upstream knows: tool, prompt, URI; for Kind.GATEWAY the method."""
    op_class: OperationClass
    definition: Definition | None = None
    """None for a resource read by template or for a gateway target."""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.server, self.kind, self.name)


class ToolRule(msgspec.Struct, frozen=True):
    """One entry of `servers.X.tools`: what the operator says of the tools that a glob names."""

    pattern: str
    op_class: OperationClass | None
    """None leaves the class to the tool's annotations."""
    safe: tuple[str, ...] = ()
    """Arguments whose values may stand in the record."""
