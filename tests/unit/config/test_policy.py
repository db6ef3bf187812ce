from pathlib import Path

from doorward.config.load import parse
from doorward.config.policy import policy_spec
from doorward.model.bounds import Rate
from doorward.model.grants import PolicySpec
from doorward.model.verdict import Mode, RuleRef

TEXT = """\
version: 1
servers:
  github: {command: [x]}
  files: {command: [x], mode: audit}
agents:
  ci-bot:
    servers: [github]
    tools:
      allow:
        - get_*
      deny: [a, "delete_*"]
    when:
      arguments.repo: {in: [a, b]}
      arguments.n:
        at_least: 1
        at_most: 3
    grants:
      - servers: ["*"]
        prompts: {allow: [review]}
  idle: {see_rules: true}
"""


def spec(text: str = TEXT) -> PolicySpec:
    return policy_spec(parse(text, path=Path("conf/doorward.yaml"), environ={}))


def test_each_glob_has_its_own_id_and_line() -> None:
    direct, further = spec().agents["ci-bot"].grants
    assert direct.tools.allow[0].pattern == "get_*"
    assert direct.tools.allow[0].at == RuleRef("agents.ci-bot.tools.allow[0]", "conf/doorward.yaml", 10)
    assert direct.tools.deny[1].at == RuleRef("agents.ci-bot.tools.deny[1]", "conf/doorward.yaml", 11)
    assert direct.servers[0].at.line == 7
    assert further.at == RuleRef("agents.ci-bot.grants[0]", "conf/doorward.yaml", 18)
    assert further.prompts.allow[0].at.id == "agents.ci-bot.grants[0].prompts.allow[0]"
    assert str(further.prompts.allow[0].at) == "conf/doorward.yaml:19"


def test_each_test_of_an_argument_is_a_condition() -> None:
    direct, further = spec().agents["ci-bot"].grants
    found = [(c.argument, c.test, c.value, c.at.line) for c in direct.when]
    assert found == [("repo", "in", ("a", "b"), 13), ("n", "at_least", 1, 15), ("n", "at_most", 3, 16)]
    assert further.when == ()


def test_a_condition_may_equal_false_or_zero() -> None:
    agents = "agents: {b: {servers: [a], when: {arguments.c: {equals: X}}}}"
    text = f"version: 1\nservers: {{a: {{command: [x]}}}}\n{agents}"
    for written, value in (("false", False), ("0", 0), ('""', "")):
        (condition,) = spec(text.replace("X", written)).agents["b"].grants[0].when
        assert condition.value == value


def test_an_agent_without_servers_has_no_grant() -> None:
    idle = spec().agents["idle"]
    assert idle.grants == ()
    assert idle.see_rules


def test_modes_are_effective_modes() -> None:
    assert spec().modes == {"github": Mode.ENFORCE, "files": Mode.AUDIT}


def test_an_agent_has_a_rate_with_its_line_and_a_team() -> None:
    text = "version: 1\nagents:\n  a:\n    team: platform\n    rate: 100/min\n  b: {}\n"
    agents = spec(text).agents
    assert (agents["a"].team, agents["a"].rate) == ("platform", Rate(100, 60.0))
    assert agents["a"].rate_at == RuleRef("agents.a.rate", "conf/doorward.yaml", 5)
    assert (agents["b"].team, agents["b"].rate, agents["b"].rate_at) == (None, None, None)
