"""A notification that belongs to no call is decided for each principal that would see it."""

import json
from typing import Any

import pytest

from doorward.model.call import Session
from doorward.model.grants import AgentRules, PolicySpec
from doorward.model.principal import Principal
from doorward.model.target import Kind
from doorward.model.verdict import Mode
from doorward.pipeline.notices import CHANGED, Notices
from doorward.policy.engine import Engine
from tests.unit.policy.build import grant, scope

READER = Principal("default", "rita", "reader", "key")
TOOLER = Principal("default", "tom", "tooler", "key")
STRANGER = Principal("default", "sue", "stranger", "key")
AGENTS = {
    "reader": AgentRules("reader", (grant(servers=["docs"], resources=scope(["doc://*"])),)),
    "tooler": AgentRules("tooler", (grant(servers=["docs"], tools=scope(["*"])),)),
    "stranger": AgentRules("stranger", (grant(servers=["other"], tools=scope(["*"])),)),
}


class Streams:
    def __init__(self, *open_streams: tuple[str, Principal, str | None]) -> None:
        self.listens = [
            (Session(session_id, principal.owner, endpoint, "2025-11-25", {}, {}), principal)
            for session_id, principal, endpoint in open_streams
        ]
        self.pushed: list[tuple[str, dict[str, Any]]] = []

    def listening(self) -> list[tuple[Session, Principal]]:
        return self.listens

    def push(self, session_id: str, message: bytes) -> bool:
        self.pushed.append((session_id, json.loads(message)))
        return True

    @property
    def told(self) -> list[str]:
        return [session_id for session_id, _ in self.pushed]


def notices(streams: Streams, mode: Mode = Mode.ENFORCE) -> Notices:
    engine = Engine.build(PolicySpec(AGENTS, {"docs": mode, "other": mode}, "r"), {"docs": [], "other": []})
    return Notices(streams, lambda: engine)


def test_an_update_goes_to_the_session_it_belongs_to_if_its_agent_may_read() -> None:
    streams = Streams(("r", READER, "docs"), ("r2", READER, None), ("t", TOOLER, "docs"))
    teller = notices(streams)

    for key in ("r", "t", "nobody", None):
        teller.resource_updated("docs", key, {"uri": "doc://1", "secret": "x"})

    assert streams.pushed == [
        ("r", {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "doc://1"}})
    ]


def test_an_update_for_an_owner_goes_to_all_their_sessions_behind_that_server() -> None:
    streams = Streams(("a", READER, "docs"), ("b", READER, None), ("c", READER, "other"))

    notices(streams).resource_updated("docs", READER.owner, {"uri": "doc://1"})

    assert streams.told == ["a", "b"]


@pytest.mark.parametrize("params", [{}, {"uri": 1}, {"uri": "file://not-granted"}])
def test_an_update_that_may_not_be_read_or_names_nothing(params: dict[str, Any]) -> None:
    streams = Streams(("r", READER, "docs"))

    notices(streams).resource_updated("docs", "r", params)

    assert streams.told == []


@pytest.mark.parametrize(
    ("level", "told"), [("debug", []), ("notice", ["r"]), ("error", ["r"]), ("loud", []), (None, []), (3, [])]
)
def test_a_log_message_goes_where_its_level_was_asked_for(level: Any, told: list[str]) -> None:
    streams = Streams(
        ("r", READER, "docs"), ("r2", READER, "other"), ("s", STRANGER, None), ("q", READER, None)
    )
    for session, _ in streams.listens[:3]:
        session.log_level = "notice"
    teller = notices(streams)

    for key in (READER.owner, STRANGER.owner, None):
        teller.logged("docs", key, {"level": level, "data": "x"})

    assert streams.told == told


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.GATEWAY])
def test_a_changed_list_is_told_to_those_who_may_know_the_server(kind: Kind) -> None:
    streams = Streams(
        ("r", READER, "docs"), ("t", TOOLER, None), ("s", STRANGER, None), ("o", READER, "other")
    )

    notices(streams).list_changed("docs", kind)

    assert streams.told == ["r", "t"]
    assert streams.pushed[0][1] == {"jsonrpc": "2.0", "method": CHANGED[kind]}


def test_in_mode_audit_everybody_may_know() -> None:
    streams = Streams(("s", STRANGER, None))

    notices(streams, Mode.AUDIT).list_changed("docs", Kind.TOOL)

    assert streams.told == ["s"]
