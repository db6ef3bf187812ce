"""A notification that belongs to no call is decided for each principal that would see it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from doorward.catalog.definitions import definitions
from doorward.model.call import Session
from doorward.model.grants import AgentRules, PolicySpec
from doorward.model.principal import Principal
from doorward.model.target import Definition, Kind
from doorward.model.verdict import Mode
from doorward.pipeline.notices import CHANGED, Notices
from doorward.pipeline.views import View
from doorward.policy.engine import Engine
from tests.playbook.house import House
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

    def of(self, key: str) -> list[tuple[Session, Principal]]:
        return [one for one in self.listens if key in (one[0].id, one[1].owner)]

    def listener(self, session_id: str) -> Principal | None:
        return next((principal for session, principal in self.listens if session.id == session_id), None)

    def push(self, session_id: str, message: bytes) -> bool:
        self.pushed.append((session_id, json.loads(message)))
        return True

    @property
    def told(self) -> list[str]:
        return [session_id for session_id, _ in self.pushed]


def engine(mode: Mode = Mode.ENFORCE, listed: Sequence[Definition] = ()) -> Engine:
    spec = PolicySpec(AGENTS, {"docs": mode, "other": mode}, "r")
    return Engine.build(spec, {"docs": listed, "other": []})


def notices(streams: Streams, mode: Mode = Mode.ENFORCE) -> Notices:
    policy = engine(mode)
    return Notices(streams, House().listens, lambda: policy)


@pytest.mark.spec("DW-223")
def test_an_update_goes_to_those_who_subscribed_if_their_agent_may_read() -> None:
    streams = Streams(("r", READER, "docs"), ("r2", READER, None), ("t", TOOLER, "docs"))

    notices(streams).resource_updated(
        "docs", "doc://1", [("r", "their://1"), ("t", "doc://1"), ("gone", "x:")]
    )

    assert streams.pushed == [
        ("r", {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "their://1"}})
    ]


@pytest.mark.spec("DW-223")
@pytest.mark.parametrize("uri", [None, 1, "file://not-granted"])
def test_an_update_that_may_not_be_read_or_names_nothing(uri: Any) -> None:
    streams = Streams(("r", READER, "docs"))

    notices(streams).resource_updated("docs", uri, [("r", "doc://1")])

    assert streams.told == []


@pytest.mark.spec("DW-204")
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


def listed(kind: Kind, name: str) -> list[Definition]:
    member = {Kind.RESOURCE: "uri", Kind.TEMPLATE: "uriTemplate"}.get(kind, "name")
    said = {member: name, "name": name, "inputSchema": {"type": "object"}}
    return list(definitions("docs", kind, [said], ()))


@pytest.mark.spec("DW-224")
@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        (Kind.TOOL, "x", ["t"]),
        (Kind.PROMPT, "x", []),
        (Kind.RESOURCE, "doc://1", ["r"]),
        (Kind.TEMPLATE, "doc://{id}", ["r"]),
        (Kind.RESOURCE, "file://1", []),
    ],
)
@pytest.mark.asyncio
async def test_a_changed_list_is_told_to_those_who_see_the_change(
    kind: Kind, name: str, told: list[str]
) -> None:
    streams = Streams(
        ("r", READER, "docs"), ("t", TOOLER, None), ("s", STRANGER, None), ("o", READER, "other")
    )
    now = listed(kind, name)

    await notices(streams).list_changed("docs", kind, View(engine(), ()), View(engine(listed=now), now))

    assert streams.told == told
    assert all(said == {"jsonrpc": "2.0", "method": CHANGED[kind]} for _, said in streams.pushed)


@pytest.mark.spec("DW-224")
@pytest.mark.asyncio
async def test_new_rules_over_the_same_list_are_a_change_too() -> None:
    streams = Streams(("s", STRANGER, None), ("t", TOOLER, None))
    now = listed(Kind.TOOL, "x")
    before, after = engine(listed=now), engine(Mode.AUDIT, now)

    await notices(streams).list_changed("docs", Kind.TOOL, View(before, now), View(after, now))

    assert streams.told == ["s"]
