"""What the running gateway has and does: its state, servers, tools, agents and calls."""

from typing import Any

import msgspec

from doorward import __version__
from doorward.api.pages import checked, cut, read, write
from doorward.api.route import Call, Page
from doorward.control import views
from doorward.control.plane import Plane
from doorward.control.roles import Operator
from doorward.model.grants import AgentRules
from doorward.ports.live import CallRow, Selector, ServerRow, ToolRow


class Status(msgspec.Struct, frozen=True):
    """How the gateway is."""

    version: str
    status: str
    """"ready", "degraded", "not_ready", or "stopped" where none runs."""
    state: dict[str, Any]
    """Everything that /readyz tells an operator."""


class ServerPage(msgspec.Struct, frozen=True):
    """In the order of the configuration."""

    servers: list[ServerRow]
    cursor: str | None


class ToolPage(msgspec.Struct, frozen=True):
    """By server and name."""

    tools: list[ToolRow]
    cursor: str | None


class AgentRow(msgspec.Struct, frozen=True):
    """An agent of the configuration in force."""

    name: str
    team: str | None
    rate: str | None
    grants: list[Any]
    """Each pattern with its file and line."""


class AgentPage(msgspec.Struct, frozen=True):
    """By name."""

    agents: list[AgentRow]
    cursor: str | None


class ToolQuery(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of which server."""

    server: str | None = None


class CallQuery(Selector, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which calls; all that is said has to be true of one."""

    limit: int = 100


class Calls(msgspec.Struct, frozen=True):
    """Oldest first."""

    calls: list[CallRow]


def status(plane: Plane, by: Operator, _call: Call) -> Status:
    state = views.status(plane.live, by=by)
    return Status(__version__, str(state.get("status", "unknown")), state)


def servers(plane: Plane, by: Operator, call: Call) -> ServerPage:
    rows, cursor = cut(views.servers(plane.live, by=by), call.query, lambda row: row.name)
    return ServerPage(rows, cursor)


def server(plane: Plane, by: Operator, call: Call) -> ServerRow:
    return views.server(plane.live, call.path["server"], by=by)


def tools(plane: Plane, by: Operator, call: Call) -> ToolPage:
    query: ToolQuery = call.query
    limit = checked(query.limit)
    after = None if query.cursor is None else read(query.cursor, tuple[str, str])
    rows = views.tools(plane.live, by=by, server=query.server, after=after, limit=limit + 1)
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return ToolPage(rows[:limit], None if last is None else write((last.server, last.name)))


def agents(plane: Plane, by: Operator, call: Call) -> AgentPage:
    rows, cursor = cut(views.agents(plane.live, by=by), call.query, lambda rules: rules.name)
    return AgentPage([_agent(rules) for rules in rows], cursor)


def agent(plane: Plane, by: Operator, call: Call) -> AgentRow:
    return _agent(views.agent(plane.live, call.path["agent"], by=by))


def calls(plane: Plane, by: Operator, call: Call) -> Calls:
    query: CallQuery = call.query
    said = {name: getattr(query, name) for name in Selector.__struct_fields__}
    return Calls(views.calls(plane.live, Selector(**said), by=by, limit=checked(query.limit)))


def cancel(plane: Plane, by: Operator, call: Call) -> Calls:
    ended = views.cancel_calls(plane.live, plane.store, call.body, by=by, now=plane.clock())
    return Calls(ended)


def _agent(rules: AgentRules) -> AgentRow:
    rate = None if rules.rate is None else str(rules.rate)
    return AgentRow(rules.name, rules.team, rate, msgspec.to_builtins(list(rules.grants)))
