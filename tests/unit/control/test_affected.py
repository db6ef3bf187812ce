"""Which agents a block concerns."""

from msgspec.structs import replace

from doorward.control.affected import affected
from doorward.model.grants import AgentRules
from tests.contract.store import RECORD
from tests.unit.policy.build import grant

AGENTS = [
    AgentRules("b", (grant(servers=["g*"]),)),
    AgentRules("a", (grant(servers=["jira"]), grant(servers=["gh"]))),
    AgentRules("c", (grant(servers=["jira"]),)),
]


def test_agents() -> None:
    keys = [RECORD, replace(RECORD, id="x" * 12, agent="other")]
    assert affected("server", "gh", AGENTS, keys) == ["a", "b"]
    assert affected("server", "none", AGENTS, keys) == []
    assert affected("agent", "a", AGENTS, keys) == ["a"]
    assert affected("key", RECORD.id, AGENTS, keys) == [RECORD.agent]
    for kind in ("user", "client", "jti", "sid"):
        assert affected(kind, "a", AGENTS, keys) == []
