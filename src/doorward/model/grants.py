"""Rules as the policy engine takes them: configuration turned into plain values with their places."""

from typing import Any, Final

import msgspec

from doorward.model.bounds import Rate
from doorward.model.verdict import Mode, RuleRef

PEOPLE: Final = "@people/"
"""How the names of rule sets begin that bound humans; the number in `people:` follows."""


class Glob(msgspec.Struct, frozen=True):
    """A pattern in which `*` stands for any run of characters, and nothing else is special."""

    pattern: str
    at: RuleRef
    """Where this very pattern stands in the file: what a denial names."""


class Condition(msgspec.Struct, frozen=True):
    """`when: {arguments.NAME: {equals|in|at_least|at_most: VALUE}}`; missing or ill-typed denies."""

    argument: str
    test: str
    """"equals", "in", "at_least" or "at_most"."""
    value: Any
    """A JSON scalar; for "in" a tuple of scalars."""
    at: RuleRef


class Scope(msgspec.Struct, frozen=True):
    """`allow` and `deny` globs over tool names, prompt names or resource URIs. Absent means none."""

    allow: tuple[Glob, ...] = ()
    deny: tuple[Glob, ...] = ()


class Grant(msgspec.Struct, frozen=True):
    """What one agent may do on some servers. Grants add up; any deny wins over all of them."""

    at: RuleRef
    servers: tuple[Glob, ...]
    tools: Scope = Scope()
    resources: Scope = Scope()
    prompts: Scope = Scope()
    when: tuple[Condition, ...] = ()
    """All must hold for the allow globs to count; deny globs never depend on it."""


class AgentRules(msgspec.Struct, frozen=True):
    """One entry of `agents:`, or of `people:` (named "@people/N", which no agent can be called)."""

    name: str
    grants: tuple[Grant, ...]
    see_rules: bool = False
    team: str | None = None
    rate: Rate | None = None
    """Of all its callers together."""
    rate_at: RuleRef | None = None


class ScopeRule(msgspec.Struct, frozen=True):
    """One entry of `servers.X.scopes`: what a token needs for the tools that a glob names."""

    pattern: str
    scopes: tuple[str, ...]


class PolicySpec(msgspec.Struct, frozen=True):
    """Everything the engine is built from."""

    agents: dict[str, AgentRules]
    modes: dict[str, Mode]
    """Effective mode by server name (the server's own, else the global one)."""
    revision: str
    """Digest of the document it came from; stands in every decision record."""
    scopes: dict[str, tuple[ScopeRule, ...]] = {}
    """By server name, in file order."""
