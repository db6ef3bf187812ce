"""A gateway as resource server: the demonstration's CRM behind it, and issuers whose tokens it accepts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.support import servers
from tests.e2e.support.gateway import Gateway, Json
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens

READ, ADMIN = "crm:read", "crm:admin"
SCOPES: Json = {"*": [READ], "delete_*": [ADMIN]}
READING = {"servers": ["crm"], "tools": {"allow": ["find_*", "get_*"]}}
EVERYTHING = {"servers": ["crm"], "tools": {"allow": ["*"]}}


class ResourceServer(Gateway):
    """Its public URL is its own, so that tokens can be made for it."""

    def write(self, config: Json) -> None:
        listen = {"listen": f"{LOOPBACK}:{self.port}", "state": "state", "public_url": self.url}
        super().write({"gateway": listen, **config})

    @property
    def crm(self) -> str:
        """The endpoint, and what its tokens are made for."""
        return f"{self.url}/mcp/crm"


@contextmanager
def crm(folder: Path) -> Iterator[Json]:
    """The demonstration's CRM over HTTP, as an entry under `servers`."""
    port = free_port()
    with child(servers.crm(folder / "crm.sqlite3", port), folder / "crm.log") as running:
        running.wait_until(lambda: listens(port), "the CRM listens")
        yield {"url": f"http://{LOOPBACK}:{port}/mcp", "scopes": SCOPES}


@contextmanager
def resource_server(
    folder: Path,
    entry: Json,
    issuers: list[Json],
    agents: Json,
    people: list[Json],
    *,
    known: Callable[[str], None] | None = None,
    **auth: Any,
) -> Iterator[ResourceServer]:
    """A ready one. Its keys are for the test itself: `watcher` may read everything. `known` is called with
    what tokens are made for, before anything starts."""
    config = {
        "auth": {"keys": True, "issuers": issuers, **auth},
        "servers": {"crm": entry},
        "agents": {"watcher": {"grants": [READING]}, **agents},
        "people": people,
    }
    made = ResourceServer(folder, config)
    made.key("watcher")
    try:
        if known is not None:
            known(made.crm)
        made.start()
        yield made
    finally:
        made.sweep()
