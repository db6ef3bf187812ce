"""Which calls a selector means, and what is shown of tools and agents."""

from types import SimpleNamespace
from typing import Any

import pytest

from doorward.app.admin.answers import MOST_REFUSED, Answers, Given, selects
from doorward.config.load import parse
from doorward.model.call import Credential, Era, Inbound
from doorward.model.principal import Actor, Principal
from doorward.model.reasons import Reason
from doorward.model.target import Definition, Kind, OperationClass, Target
from doorward.pipeline.trail import Trail
from doorward.ports.live import Selector
from tests.support.calls import call_of

ISSUER = "https://id.example.com"
OTHER = "https://other.example.com"
CALL = call_of(era=Era.MODERN)


def trail(principal: Principal | None = None, *, called: bool = True) -> Trail:
    inbound = Inbound("http", None, Credential(None, "", local=True, proxied=False), {}, b"", None)
    made = Trail(inbound, "call-1", 0.0)
    made.principal = principal
    made.target = Target("crm", Kind.TOOL, "find", OperationClass.READ)
    if called:
        made.call = CALL
    return made


WHO = Principal(
    "default",
    "anna",
    "ci",
    "jwt",
    issuer=ISSUER,
    client="app",
    actors=(Actor(OTHER, "robot", client="robots", agent="helper"),),
    token_id="t1",
    session_id="s1",
)
KEY = Principal("default", "build", "ci", "key", "0123456789AB")


@pytest.mark.parametrize(
    "selector",
    [
        Selector(),
        Selector(call="call-1"),
        Selector(server="crm"),
        Selector(agent="ci"),
        Selector(agent="helper"),
        Selector(user="anna"),
        Selector(user="robot"),
        Selector(user="anna", issuer=ISSUER),
        Selector(user="robot", issuer=OTHER),
        Selector(client="app"),
        Selector(client="robots"),
        Selector(jti="t1"),
        Selector(jti="t1", issuer=ISSUER),
        Selector(sid="s1"),
        Selector(agent="ci", server="crm", user="anna", sid="s1"),
    ],
)
def test_whom_it_means(selector: Selector) -> None:
    assert selects(selector, trail(WHO))


@pytest.mark.parametrize(
    "selector",
    [
        Selector(call="call-2"),
        Selector(server="files"),
        Selector(agent="c"),
        Selector(key="0123456789AB"),
        Selector(user="ann"),
        Selector(user="anna", issuer=OTHER),
        Selector(user="robot", issuer=ISSUER),
        Selector(client="app", issuer=OTHER),
        Selector(jti="s1"),
        Selector(jti="t1", issuer=OTHER),
        Selector(sid="s1", issuer=OTHER),
        Selector(agent="ci", server="files"),
    ],
)
def test_whom_it_does_not_mean(selector: Selector) -> None:
    assert not selects(selector, trail(WHO))


def test_keys_are_meant_by_their_ids() -> None:
    assert selects(Selector(key="0123456789AB"), trail(KEY))
    assert not selects(Selector(key="0123456789AC"), trail(KEY))
    assert not selects(Selector(jti="x"), trail(KEY))


def test_nobody_is_meant_who_is_not_known_yet() -> None:
    assert not selects(Selector(), trail(None))
    assert not selects(Selector(), trail(WHO, called=False))


class Recorder:
    def __init__(self) -> None:
        self.refusals: list[tuple[str, str, str]] = []

    async def refused(self, reason: Reason, *, peer: str, transport: str, endpoint: str | None) -> None:
        self.refusals.append((reason.value, peer, transport))


class Message:
    """One that is being worked on."""

    def __init__(self, principal: Principal, started: float, number: str) -> None:
        self.trail = trail(principal)
        self.trail.started, self.trail.decision_id = started, number
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


def tool(server: str, name: str, **listed: Any) -> Definition:
    return Definition(server, Kind.TOOL, name, listed, "ab", OperationClass.READ)


def answers(
    listings: dict[str, tuple[Definition, ...]], running: list[Message], recorder: Recorder | None = None
) -> Answers:
    world = SimpleNamespace(
        listings={name: SimpleNamespace(definitions={Kind.TOOL: tools}) for name, tools in listings.items()},
        loaded=parse("version: 1\nagents: {b: {}, a: {rate: 1/s}}\n", environ={}),
    )

    async def applied() -> None:
        return

    given: Any = (lambda: world, lambda: running, recorder or Recorder())
    return Answers(*given, state=dict, applied=applied)


def test_tools_are_shown_by_server_and_name_and_in_pages() -> None:
    made = answers(
        {
            "git": (tool("git", "log"), tool("git", "diff", title="Differences"), tool("git", "x", title=1)),
            "crm": (tool("crm", "find"),),
        },
        [],
    )
    everything = [(row.server, row.name) for row in made.tools(Given())]
    assert everything == [("crm", "find"), ("git", "diff"), ("git", "log"), ("git", "x")]
    assert [row.title for row in made.tools(Given(server="git"))] == ["Differences", None, None]
    paged: list[tuple[str, str]] = []
    while rows := made.tools(Given(after=paged[-1] if paged else None, limit=3)):
        paged += [(row.server, row.name) for row in rows]
    assert paged == everything
    assert made.tools(Given(server="none")) == []


def test_agents_are_made_once_for_each_configuration() -> None:
    made = answers({}, [])
    assert [rules.name for rules in made.agents()] == ["a", "b"]
    assert made.agents() is made.agents()


def test_calls_are_shown_and_ended_oldest_first() -> None:
    young, old, other = Message(WHO, 2.0, "young"), Message(WHO, 1.0, "old"), Message(KEY, 0.0, "other")
    made = answers({}, [young, old, other])
    assert [row.id for row in made.calls(Given())] == ["other", "old", "young"]
    assert [row.id for row in made.calls(Given(limit=1))] == ["other"]
    (row, _) = made.cancel(Given(selector=Selector(user="anna")))
    assert (row.id, row.agent, row.subject, row.issuer, row.client) == ("old", "ci", "anna", ISSUER, "app")
    assert (row.server, row.kind, row.name, row.sent) == ("crm", "tool", "find", False)
    assert [message.stopped for message in (young, old, other)] == [True, True, False]


@pytest.mark.asyncio
async def test_refusals_are_recorded_with_a_reason_that_exists() -> None:
    recorder = Recorder()
    made = answers({}, [], recorder)
    refusals = tuple((reason, "127.0.0.1" * 20, 1) for reason in ("credential_expired", "made up"))
    await made.refused(Given(refusals=refusals))
    assert [(reason, transport) for reason, _, transport in recorder.refusals] == [
        ("credential_expired", "admin"),
        ("credential_invalid", "admin"),
    ]
    assert all(len(peer) == 64 for _, peer, _ in recorder.refusals)
    await made.refused(Given(refusals=(("credential_invalid", "a", 10**9), ("credential_missing", "b", 5))))
    assert len(recorder.refusals) == 2 + MOST_REFUSED
