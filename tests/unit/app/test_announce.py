"""Which lists are said to have changed, and between which views."""

from types import SimpleNamespace
from typing import Any

import pytest

from doorward.app import announce
from doorward.app.world import KINDS
from doorward.model.target import Kind
from doorward.pipeline.views import View
from tests.unit.policy.build import engine, grant, scope, tool

pytestmark = pytest.mark.asyncio
FREE = engine(grant(tools=scope(["*"])), offers=[tool("a")])
SHUT = FREE.with_blocked(frozenset({"gh"}))


class Notices:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Kind, View, View]] = []

    async def list_changed(self, server: str, kind: Kind, before: View, after: View) -> None:
        self.told.append((server, kind, before, after))


def world(policy: Any, *servers: str) -> Any:
    return SimpleNamespace(
        servers=dict.fromkeys(servers), view=lambda name, _kind: View(policy, [tool("a", server=name)])
    )


async def test_a_blocked_server_that_is_configured_is_told_of_by_what_it_was() -> None:
    notices: Any = Notices()
    await announce.shut(notices, world(SHUT, "gh", "jira"), FREE, {"gh", "gone"})
    assert [(server, kind) for server, kind, _, _ in notices.told] == [("gh", kind) for kind in KINDS]
    for _, _, before, after in notices.told:
        assert (before.policy, after.policy) == (FREE, SHUT)
        assert before.definitions is not None
        assert list(before.definitions) == list(after.definitions)


async def test_a_reload_tells_of_servers_that_came_and_went() -> None:
    notices: Any = Notices()
    await announce.reloaded(notices, world(FREE, "gh", "old"), world(SHUT, "gh", "new"))
    assert list(dict.fromkeys(server for server, *_ in notices.told)) == ["gh", "new", "old"]
    assert len(notices.told) == 3 * len(KINDS)
    assert {(before.policy, after.policy) for _, _, before, after in notices.told} == {(FREE, SHUT)}
