"""The way out: to a server, or to ourselves for what we answer."""

from collections.abc import Coroutine, Mapping
from typing import Any

from doorward.model.call import Reply
from doorward.model.verdict import Permit
from doorward.ports.upstream import Upstream


class Dispatch:
    """Implements ports.Upstream over all of them; gateway targets have the empty server name."""

    def __init__(self, local: Upstream, servers: Mapping[str, Upstream]) -> None:
        self._by_server: dict[str, Upstream] = {**servers, "": local}

    def send(self, permit: Permit) -> Coroutine[Any, Any, Reply]:
        """A plain function on purpose: one coroutine less on every call."""
        return self._by_server[permit.target.server].send(permit)
