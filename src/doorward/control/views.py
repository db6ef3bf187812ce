"""What the running gateway shows to operators, and the calls that they may end."""

from typing import Any, Final

import msgspec

from doorward.control.changes import change_record
from doorward.control.errors import Unknown
from doorward.control.roles import Operator, Right
from doorward.model.grants import AgentRules
from doorward.ports.live import CallRow, Live, Selector, ServerRow, ToolRow
from doorward.ports.store import Store

CANCELLED: Final = "calls:cancel"


def status(live: Live, *, by: Operator) -> dict[str, Any]:
    """What /readyz tells an operator. Raises Forbidden, Unavailable, GatewayError."""
    by.require(Right.STATUS_READ)
    return live.state()


def servers(live: Live, *, by: Operator) -> list[ServerRow]:
    """In the order of the configuration. Raises as `status`."""
    by.require(Right.SERVERS_READ)
    return live.servers()


def server(live: Live, name: str, *, by: Operator) -> ServerRow:
    """Raises as `status`, and Unknown."""
    for row in servers(live, by=by):
        if row.name == name:
            return row
    raise Unknown("there is no server of this name", "doorward servers list shows them")


def tools(
    live: Live, *, by: Operator, server: str | None, after: tuple[str, str] | None, limit: int
) -> list[ToolRow]:
    """By server and name, behind `after`; `server`: of this one only. Raises as `status`."""
    by.require(Right.TOOLS_READ)
    return live.tools(server, after, limit)


def agents(live: Live, *, by: Operator) -> list[AgentRules]:
    """By name. Raises as `status`."""
    by.require(Right.AGENTS_READ)
    return live.agents()


def agent(live: Live, name: str, *, by: Operator) -> AgentRules:
    """Raises as `status`, and Unknown."""
    for row in agents(live, by=by):
        if row.name == name:
            return row
    raise Unknown("there is no agent of this name in the configuration that is in force")


def calls(live: Live, selector: Selector, *, by: Operator, limit: int) -> list[CallRow]:
    """In flight, oldest first. Raises as `status`."""
    by.require(Right.CALLS_READ)
    return live.calls(selector, limit)


def cancel_calls(live: Live, store: Store, selector: Selector, *, by: Operator, now: float) -> list[CallRow]:
    """Which were told to end; one that has been sent may have run. On record before they are. Raises as
    `status`, and ValueError for a selector that selects everything."""
    if selector == Selector():
        raise ValueError("say which calls: by call, server, agent, key, user, client, jti or sid")
    by.require_within(Right.CALLS_CANCEL, agent=selector.agent, server=selector.server)
    said = msgspec.to_builtins(selector)
    store.add_change(change_record(CANCELLED, "calls", by.actor, now, after=said))
    live.apply()  # what ends them is in the log first
    return live.cancel(selector)
