"""Administration without an admin process: the same operations, on the store of a configuration.

For commands while no gateway runs, or one that has no admin plane. Who asks is asked for a token as the API
asks; the rights are the same, and so are the records.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from doorward.api.perform import Request, perform
from doorward.api.routes import find
from doorward.app.admin.bootstrap import TOKEN_FILE, ensure_owner, kept, recover
from doorward.app.outbox import opened
from doorward.app.state import paths
from doorward.app.terminal import operator
from doorward.audit.records import Actor
from doorward.config.load import Loaded
from doorward.config.policy import policy_spec
from doorward.config.settings import Settings
from doorward.control.errors import Unavailable
from doorward.control.operators import first_owner
from doorward.control.plane import Plane
from doorward.control.roles import Operator, Role
from doorward.model.errors import CallerError
from doorward.model.grants import AgentRules
from doorward.model.reasons import Reason
from doorward.ports.live import CallRow, Selector, ServerRow, ToolRow

_START: Final = "start it: doorward serve"


class Unserved:
    """Implements ports.Live where no gateway answers, by what the configuration says."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def apply(self) -> None:
        """Whoever opened the store sees to it when it closes."""

    def state(self) -> dict[str, Any]:
        """See ports/live.py."""
        return {"status": "stopped", "mode": self._settings.mode.value}

    def servers(self) -> list[ServerRow]:
        """See ports/live.py."""
        settings = self._settings
        return [ServerRow(name, "unknown", settings.mode_of(name).value) for name in settings.servers]

    def tools(self, server: str | None, after: tuple[str, str] | None, limit: int) -> list[ToolRow]:
        """See ports/live.py."""
        raise _nobody("which tools there are")

    def agents(self) -> list[AgentRules]:
        """See ports/live.py."""
        rules = policy_spec(self._loaded).agents
        return [rules[name] for name in sorted(self._settings.agents)]

    def calls(self, selector: Selector, limit: int) -> list[CallRow]:
        """See ports/live.py."""
        raise _nobody("which calls there are")

    def cancel(self, selector: Selector) -> list[CallRow]:
        """See ports/live.py."""
        raise _nobody("which calls there are")

    def refused(self, reason: str, peer: str) -> None:
        """Whoever can open the store needs no right of ours: it is theirs."""

    @property
    def _settings(self) -> Settings:
        return self._loaded.settings


class LocalSend:
    """Implements admin.send.Send on a store."""

    def __init__(self, plane: Plane, who: Callable[[bool], Operator]) -> None:
        """`who` asks, for something that changes state or does not."""
        self._plane = plane
        self._who = who

    def __call__(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """See admin/send.py."""
        found = find(method, path)
        if isinstance(found, list):
            raise ValueError(f"no operation {method} {path}")  # noqa: TRY004 - of values, not of types
        route, named = found
        given = b"" if body is None else msgspec.json.encode(body)
        by = self._who(method != "GET")
        done = perform(self._plane, by, Request(route, named, query or {}, given))
        said: dict[str, Any] = msgspec.json.decode(done.body)
        return said


@contextmanager
def administered(loaded: Loaded, token: str | None = None) -> Iterator[LocalSend]:
    """On the store of a configuration; its records are in the log, or with the gateway, when this ends.

    Without a `token` the one that lies in the state directory is taken. Raises GatewayError.
    """
    where = paths(loaded.settings)
    with opened(loaded, "administration") as (store, ring):
        plane = Plane(store, ring, Unserved(loaded), "cli")
        yield LocalSend(plane, asking(plane, where.root, token))


def asking(plane: Plane, root: Path, token: str | None) -> Callable[[bool], Operator]:
    """Says who asks, for something that changes state or does not: by `token`, or by the one that lies in the
    state directory. Where there has never been an operator, the first change makes one. What it gives raises
    CallerError(CREDENTIAL_*), GatewayError(STORE_UNAVAILABLE)."""

    def who(changes: bool) -> Operator:
        presented = token or kept(root / TOKEN_FILE)
        if presented is None and changes:
            # Also where there is an operator by now: who makes the first keeps its token under a lock, and
            # whoever has waited for that finds it.
            made = ensure_owner(root, plane.store, plane.ring, actor=_here(), now=time.time(), say=_say)
            presented = made or kept(root / TOKEN_FILE)
        elif presented is None and first_owner(plane.store):
            return Operator("", operator(), Role.OWNER, "cli")
        if presented is None:
            raise CallerError(Reason.CREDENTIAL_MISSING, "no operator's token was presented")
        return plane.operator(presented)

    return who


def _here() -> Actor:
    """Whoever runs the command, as the system knows them."""
    return Actor(operator(), "cli")


@contextmanager
def recovered(loaded: Loaded) -> Iterator[tuple[str, str]]:
    """Name and token of one more owner, on record when this ends. Raises GatewayError."""
    with opened(loaded, "operators") as (store, ring):
        made = recover(paths(loaded.settings).root, store, ring, actor=_here(), now=time.time())
        yield made.record.name, made.text


def _say(line: str) -> None:
    """For people, on standard error: what programs read stays clean."""
    print(line, file=sys.stderr)  # noqa: T201 - once in the life of a state directory


def _nobody(what: str) -> Unavailable:
    return Unavailable(f"only a running gateway knows {what}", _START)
