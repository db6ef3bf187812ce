"""Clients and servers of the stories: what plays them stands in `tests/e2e/stories` and `tests/e2e/node`."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.e2e.support.servers import ROOT, missing, node, node_modules

STORIES = ROOT / "tests/e2e/stories"
NODE = ROOT / "tests/e2e/node"

LEGACY, MODERN = "legacy", "modern"


def python(environment: str) -> str:
    """The interpreter of an environment that `make test-setup` makes; ours for an empty name."""
    if not environment:
        return sys.executable
    found = ROOT / environment / "bin/python"
    if not (found.parent.parent / ".synced").exists():
        missing(environment)
    return str(found)


def script(environment: str, name: str, *arguments: str) -> list[str]:
    """A story in Python (an environment) or in JavaScript (`node`)."""
    if environment == "node":
        node_modules()
        return [node(), str(NODE / name), *arguments]
    return [python(environment), str(STORIES / name), *arguments]


@dataclass(frozen=True)
class Client:
    """A program that tells the story. `era` is what it speaks with a server of both eras."""

    name: str
    environment: str
    file: str
    era: str
    mode: str = ""
    listens: bool = True
    """Whether it opens a stream for changes, in the era that it speaks."""
    logs: bool = True
    """Whether it can say that it wants log messages."""
    missing: int = -32002
    """What it makes of the code by which the legacy era says that there is no such resource."""

    def command(self) -> list[str]:
        return script(self.environment, self.file, *([self.mode] if self.mode else []))


SDK1 = ".venv-server-git"  # the official Python SDK below 2, which mcp-server-git runs on
FASTMCP = ".venv-fastmcp"

CLIENTS = [
    Client("py1", SDK1, "client_python1.py", LEGACY),
    Client("py2-legacy", "", "client_python2.py", LEGACY, "legacy"),
    Client("py2-modern", "", "client_python2.py", MODERN, "2026-07-28"),
    Client("py2-auto", "", "client_python2.py", MODERN, "auto"),
    Client("ts1", "node", "client_v1.mjs", LEGACY),
    Client("ts2-legacy", "node", "client_v2.mjs", LEGACY, "legacy", missing=-32602),
    Client("ts2-modern", "node", "client_v2.mjs", MODERN, "modern"),
    Client("ts2-auto", "node", "client_v2.mjs", MODERN, "auto"),
    Client("fastmcp-legacy", FASTMCP, "client_fastmcp.py", LEGACY, "legacy"),
    Client("fastmcp-auto", FASTMCP, "client_fastmcp.py", MODERN, "auto", listens=False, logs=False),
]


@dataclass(frozen=True)
class Server:
    """A program behind the gateway: the eras that it speaks, what it says of a tool's error."""

    name: str
    environment: str
    file: str
    eras: tuple[str, ...]
    failure: str = "it broke"
    lacks: frozenset[str] = frozenset()
    """Parts of the story: `ask`, `complete`, `grow`, `say`, `subscribe`."""
    settings: Mapping[str, object] = field(
        default_factory=lambda: {"may_ask": ["elicitation", "sampling", "roots"]}
    )
    deaf: bool = False
    """Serves the legacy era without sessions, where no question can be answered."""

    @property
    def stdio(self) -> bool:
        return self.name.endswith("-stdio")

    def command(self, where: str) -> list[str]:
        return script(self.environment, self.file, where)


BOTH = (LEGACY, MODERN)
PY1, PY2, TS1, TS2 = "server_python1.py", "server_python2.py", "server_v1.mjs", "server_v2.mjs"
FAST = "server_fastmcp.py"
# A local server that asks has a process for each session, and one that listens for all of them: what a
# session changes in its own process is not heard from the other.
ALONE = frozenset({"grow", "subscribe"})
# One process for everybody is asked by nobody, and what it logs is nobody's.
SHARED = {"shared": True}
OF_NOBODY = frozenset({"ask", "say"})
# fastmcp completes nothing, takes no subscriptions, announces no changes, and asks in one era only.
POOR = frozenset({"ask", "complete", "grow", "subscribe"})
PY1_SAYS, FAST_SAYS = "Error executing tool fail: it broke", "Error calling tool 'fail': it broke"
PY2_SAYS = "Error executing tool fail"

SERVERS = [
    Server("py1-http", SDK1, PY1, (LEGACY,), PY1_SAYS),
    Server("py1-stdio", SDK1, PY1, (LEGACY,), PY1_SAYS, OF_NOBODY, SHARED),
    Server("py2-http", "", PY2, BOTH, PY2_SAYS),
    Server("py2-stdio", "", PY2, BOTH, PY2_SAYS, OF_NOBODY, SHARED),
    Server("fastmcp-http", FASTMCP, FAST, BOTH, FAST_SAYS, POOR, {}),
    Server("fastmcp-stdio", FASTMCP, FAST, BOTH, FAST_SAYS, POOR, {}),
    Server("ts1-http", "node", TS1, (LEGACY,)),
    Server("ts1-stdio", "node", TS1, (LEGACY,), lacks=ALONE),
    Server("ts2-http", "node", TS2, BOTH, deaf=True),
    Server("ts2-stdio", "node", TS2, BOTH, lacks=ALONE),
]
