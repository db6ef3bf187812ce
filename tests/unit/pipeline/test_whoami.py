"""What a caller is told of itself."""

from typing import Any

import msgspec

from doorward.model.bounds import Bounds, Narrowing, Rate
from doorward.model.grants import AgentRules, PolicySpec
from doorward.model.principal import Actor, ActorKind, Principal
from doorward.pipeline.whoami import described
from doorward.policy.engine import Engine
from tests.unit.policy.build import BOT, engine, grant, scope

POLICY = engine(grant(servers=["gh", "crm"], tools=scope(["*"])), offers=(), servers=("gh", "crm", "hidden"))
TOKEN = Principal(
    tenant="default", subject="anna", agent="ci-bot", method="jwt", client="app", team="platform",
    actors=(Actor("https://id.example", "bot-7", ActorKind.AGENT, "app", "ci-bot"),),
    issuer="https://id.example", human=True, groups=frozenset({"ops", "eng"}), strength="bound token",
    acr="phr", amr=("pwd", "otp"), rate=Rate(5, 60.0), token_id="jti-1", session_id="sid-1",
    expires_at=1_790_000_000.0,
    bounds=Bounds(
        (Narrowing("key", ("g*",), ("get_*",), read_only=True),),
        (("@people/3", "@people/4"), ()), ("other",), frozenset({"b", "a"}),
    ),
)  # fmt: skip


def test_a_key_sees_its_agent_and_servers() -> None:
    said = described(BOT, POLICY)
    assert (said["subject"], said["agent"], said["method"]) == ("me", "ci-bot", "key")
    assert said["servers"] == ["crm", "gh"]
    nothing: dict[str, Any] = {
        "bounds": None, "rate": None, "expires_at": None, "issuer": None, "scopes": None,
        "groups": [], "actors": [], "human": False, "strength": None, "client": None,
    }  # fmt: skip
    assert {name: said[name] for name in nothing} == nothing


def test_a_token_sees_human_agent_chain_and_bounds() -> None:
    said = described(TOKEN, POLICY)
    assert said["servers"] == [], "those who have to allow it, too, say nothing of any server"
    assert (said["subject"], said["human"], said["client"], said["team"]) == ("anna", True, "app", "platform")
    assert said["actors"] == [
        {
            "issuer": "https://id.example",
            "subject": "bot-7",
            "kind": "agent",
            "client": "app",
            "agent": "ci-bot",
        }
    ]
    assert (said["groups"], said["scopes"]) == (["eng", "ops"], ["a", "b"])
    assert said["expires_at"] == "2026-09-21T14:13:20+00:00"
    assert (said["rate"], said["strength"], said["budget_owner"]) == ("5/min", "bound token", "team:platform")
    assert said["bounds"] == {
        "narrowings": [{"of": "key", "servers": ("g*",), "tools": ("get_*",), "read_only": True}],
        "people": [2, 0],
        "agents": ("other",),
    }


def test_nothing_that_revokes_or_presents_is_in_it() -> None:
    text = msgspec.json.encode(described(TOKEN, POLICY))
    for kept in (b"jti-1", b"sid-1", b"@people"):
        assert kept not in text


def test_rates_of_all_agents_are_named() -> None:
    rules = {
        "ci-bot": AgentRules("ci-bot", (), rate=Rate(10, 1.0)),
        "other": AgentRules("other", (), rate=Rate(3, 3600.0)),
        "stranger": AgentRules("stranger", (), rate=Rate(1, 1.0)),
    }
    policy = Engine.build(PolicySpec(rules, {}, "r"), {})
    assert described(BOT, policy)["agent_rates"] == {"ci-bot": "10/s"}
    assert described(TOKEN, policy)["agent_rates"] == {"ci-bot": "10/s", "other": "3/h"}
    assert described(BOT, POLICY)["agent_rates"] == {}
