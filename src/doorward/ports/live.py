"""What administration asks of the gateway that runs: what only its memory knows, and what only it can do.

For threads, not for the event loop of the gateway: the other side may be another process.
"""

from typing import Any, Protocol

import msgspec

from doorward.model.grants import AgentRules


class Selector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which calls: those of which all that is said here is true. One that says nothing means every call."""

    call: str | None = None
    """The id of its decision."""
    server: str | None = None
    agent: str | None = None
    """Of the caller, or of one in whose name it acts."""
    key: str | None = None
    """Id of a key."""
    user: str | None = None
    """Subject of a token, or of one that acts for it."""
    client: str | None = None
    """OAuth client id."""
    jti: str | None = None
    sid: str | None = None
    issuer: str | None = None
    """Whose `user`, `client`, `jti` or `sid` it is."""


class CallRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call in flight."""

    id: str
    """Of its decision."""
    since: float
    """Seconds since 1970."""
    method: str
    agent: str
    subject: str
    issuer: str = ""
    key: str | None = None
    client: str | None = None
    server: str | None = None
    kind: str | None = None
    name: str | None = None
    sent: bool = False
    """Whether it may have left for its server: what is cancelled then may have run."""


class ServerRow(msgspec.Struct, frozen=True):
    """A server of the configuration that is in force."""

    name: str
    state: str
    """"up", "down", "starting" ...; "unknown" where no gateway runs."""
    mode: str
    transport: str | None = None
    era: str | None = None
    version: str | None = None
    cause: str | None = None
    tools: int | None = None
    """How many it offers; None for one that was not heard yet."""
    insecure: bool = False


class ToolRow(msgspec.Struct, frozen=True):
    """A tool as its server listed it last."""

    server: str
    name: str
    op_class: str
    digest: str
    """SHA-256 of the definition, in hexadecimal."""
    title: str | None = None


class Live(Protocol):
    """Each verb raises control.errors.Unavailable where no gateway answers, and GatewayError for what a
    gateway cannot do."""

    def apply(self) -> None:
        """Returns when all that the store holds now is in force."""
        ...

    def state(self) -> dict[str, Any]:
        """What /readyz tells an operator."""
        ...

    def servers(self) -> list[ServerRow]:
        """In the order of the configuration."""
        ...

    def tools(self, server: str | None, after: tuple[str, str] | None, limit: int) -> list[ToolRow]:
        """By server and name, beginning behind `after`."""
        ...

    def agents(self) -> list[AgentRules]:
        """In the order of their names."""
        ...

    def calls(self, selector: Selector, limit: int) -> list[CallRow]:
        """Oldest first."""
        ...

    def cancel(self, selector: Selector) -> list[CallRow]:
        """Which calls were told to end. One that has been sent may have run."""
        ...

    def refused(self, reason: str, peer: str) -> None:
        """Put on record that somebody without a right to it asked for administration; does not wait."""
        ...
