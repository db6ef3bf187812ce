"""What operators see of the running gateway, and which calls they may end."""

from collections.abc import Callable
from typing import Any

import pytest

from doorward.audit import records
from doorward.backends.memory.store import MemoryStore
from doorward.control import views
from doorward.control.errors import Forbidden, Unknown
from doorward.control.roles import Operator, Right, Role
from doorward.model.grants import AgentRules
from doorward.ports.live import CallRow, Selector, ServerRow, ToolRow

NOW = 1_700_000_000.0
CALL = CallRow("id", NOW, "tools/call", "ci", "anna", server="crm")


class Gateway:
    """Port Live: says what it is told to say, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def apply(self) -> None:
        self.asked.append("apply")

    def state(self) -> dict[str, Any]:
        return {"status": "ready"}

    def servers(self) -> list[ServerRow]:
        return [ServerRow("crm", "up", "enforce")]

    def tools(self, server: str | None, after: tuple[str, str] | None, limit: int) -> list[ToolRow]:
        self.asked.append(("tools", server, after, limit))
        return [ToolRow("crm", "find", "read", "ab")]

    def agents(self) -> list[AgentRules]:
        return [AgentRules("ci", ())]

    def calls(self, selector: Selector, limit: int) -> list[CallRow]:
        self.asked.append(("calls", selector, limit))
        return [CALL]

    def cancel(self, selector: Selector) -> list[CallRow]:
        self.asked.append(("cancel", selector))
        return [CALL]

    def refused(self, reason: str, peer: str) -> None:
        self.asked.append(("refused", reason, peer))


def operator(role: Role, **limits: tuple[str, ...]) -> Operator:
    return Operator("op_0123456789AB", "anna", role, "api", **limits)


VIEWS: list[tuple[Right, Callable[[Gateway, Operator], Any]]] = [
    (Right.STATUS_READ, lambda live, by: views.status(live, by=by)),
    (Right.SERVERS_READ, lambda live, by: views.servers(live, by=by)),
    (Right.SERVERS_READ, lambda live, by: views.server(live, "crm", by=by)),
    (Right.TOOLS_READ, lambda live, by: views.tools(live, by=by, server=None, after=None, limit=5)),
    (Right.AGENTS_READ, lambda live, by: views.agents(live, by=by)),
    (Right.AGENTS_READ, lambda live, by: views.agent(live, "ci", by=by)),
    (Right.CALLS_READ, lambda live, by: views.calls(live, Selector(), by=by, limit=5)),
]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("right", "view"), VIEWS, ids=map(str, range(len(VIEWS))))
def test_who_sees_what(role: Role, right: Right, view: Callable[[Gateway, Operator], Any]) -> None:
    by = operator(role)
    if by.may(right):
        assert view(Gateway(), by)
    else:
        with pytest.raises(Forbidden, match=right):
            view(Gateway(), by)


def test_what_nobody_knows() -> None:
    with pytest.raises(Unknown):
        views.server(Gateway(), "files", by=operator(Role.OWNER))
    with pytest.raises(Unknown):
        views.agent(Gateway(), "bot", by=operator(Role.OWNER))


def cancel(live: Gateway, store: MemoryStore, by: Operator, selector: Selector) -> list[CallRow]:
    return views.cancel_calls(live, store, selector, by=by, now=NOW)


def test_calls_are_cancelled_once_that_is_on_record() -> None:
    live, store = Gateway(), MemoryStore()
    assert cancel(live, store, operator(Role.OPERATOR), Selector(agent="ci")) == [CALL]
    assert live.asked == ["apply", ("cancel", Selector(agent="ci"))]
    (entry,) = store.outbox(0, 9)
    change = records.decode(entry.record)
    assert isinstance(change, records.Change)
    assert (change.action, change.after) == ("calls:cancel", {"agent": "ci"})


def test_nobody_cancels_everything_by_saying_nothing() -> None:
    live, store = Gateway(), MemoryStore()
    with pytest.raises(ValueError, match="say which"):
        cancel(live, store, operator(Role.OWNER), Selector())
    assert (live.asked, store.outbox(0, 9)) == ([], [])


@pytest.mark.parametrize("role", list(Role))
def test_who_cancels(role: Role) -> None:
    live, store = Gateway(), MemoryStore()
    if role in {Role.OWNER, Role.OPERATOR}:
        cancel(live, store, operator(role), Selector(call="id"))
    else:
        with pytest.raises(Forbidden, match="calls:cancel"):
            cancel(live, store, operator(role), Selector(call="id"))
        assert (live.asked, store.outbox(0, 9)) == ([], [])


def test_within_ones_limits() -> None:
    live, store, by = Gateway(), MemoryStore(), operator(Role.OPERATOR, agents=("ci",), servers=("crm",))
    cancel(live, store, by, Selector(agent="ci", server="crm"))
    for selector in (
        Selector(agent="ci"),
        Selector(server="crm"),
        Selector(agent="bot", server="crm"),
        Selector(agent="ci", server="files"),
        Selector(user="bert"),
    ):
        with pytest.raises(Forbidden):
            cancel(live, store, by, selector)
