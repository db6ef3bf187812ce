"""Short forms for policies in tests. Every rule gets a line of its own, so that a test can name it."""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from doorward.model.grants import AgentRules, Condition, Glob, Grant, PolicySpec, Scope
from doorward.model.principal import Principal
from doorward.model.target import Definition, Kind, OperationClass, Target
from doorward.model.verdict import Mode, RuleRef
from doorward.policy.engine import Engine

BOT = Principal(tenant="default", subject="me", agent="ci-bot", method="key")
NONE = Scope()
_lines = count(1)


def at(line: int | None = None) -> RuleRef:
    number = next(_lines) if line is None else line
    return RuleRef(f"rule-{number}", "doorward.yaml", number)


def globs(*patterns: str) -> tuple[Glob, ...]:
    return tuple(Glob(pattern, at()) for pattern in patterns)


def scope(allow: Iterable[str] = (), deny: Iterable[str] = ()) -> Scope:
    return Scope(globs(*allow), globs(*deny))


def when(argument: str, test: str, value: Any) -> Condition:
    return Condition(argument, test, value, at())


def grant(
    *,
    servers: Iterable[str] = ("gh",),
    tools: Scope = NONE,
    resources: Scope = NONE,
    prompts: Scope = NONE,
    conditions: Sequence[Condition] = (),
) -> Grant:
    return Grant(at(), globs(*servers), tools, resources, prompts, tuple(conditions))


def spec(*grants: Grant, mode: Mode = Mode.ENFORCE, servers: Iterable[str] = ("gh",)) -> PolicySpec:
    return PolicySpec(
        agents={"ci-bot": AgentRules("ci-bot", grants)}, modes=dict.fromkeys(servers, mode), revision="r1"
    )


def tool(name: str, properties: dict[str, Any] | None = None, *, server: str = "gh") -> Definition:
    listed = {"name": name, "inputSchema": {"type": "object", "properties": properties or {}}}
    return defined(Kind.TOOL, name, listed, server=server)


def prompt(name: str) -> Definition:
    return defined(Kind.PROMPT, name, {"name": name, "arguments": [{"name": "topic"}]})


def defined(kind: Kind, name: str, listed: dict[str, Any], *, server: str = "gh") -> Definition:
    return Definition(server, kind, name, listed, "0" * 64, OperationClass.READ)


def aim(name: str, kind: Kind = Kind.TOOL, *, server: str = "gh") -> Target:
    return Target(server, kind, name, OperationClass.READ)


def engine(
    *grants: Grant,
    offers: Sequence[Definition],
    mode: Mode = Mode.ENFORCE,
    servers: Iterable[str] = ("gh",),
) -> Engine:
    names = tuple(servers)
    listed = {name: [one for one in offers if one.server == name] for name in names}
    return Engine.build(spec(*grants, mode=mode, servers=names), listed)
