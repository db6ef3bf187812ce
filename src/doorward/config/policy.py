"""Grants of a document as the policy engine takes them, each glob and condition with its place."""

from collections.abc import Iterator

from doorward.config.grants import Grant, Granted, Names, Test, Uris
from doorward.config.identity import Person
from doorward.config.load import Loaded
from doorward.config.places import Path, dotted
from doorward.config.settings import Agent
from doorward.model import grants
from doorward.model.verdict import RuleRef


def policy_spec(loaded: Loaded) -> grants.PolicySpec:
    """Rule ids are paths (`agents.ci-bot.grants[0].tools.deny[1]`); lines are those of the globs."""
    settings = loaded.settings
    return grants.PolicySpec(
        agents={
            **{name: _agent(name, agent, loaded) for name, agent in settings.agents.items()},
            **{
                f"{grants.PEOPLE}{number}": _person(number, person, loaded)
                for number, person in enumerate(settings.people)
            },
        },
        modes={name: settings.mode_of(name) for name in settings.servers},
        revision=loaded.digest,
        scopes={
            name: tuple(grants.ScopeRule(glob, scopes) for glob, scopes in server.scopes.items())
            for name, server in settings.servers.items()
            if server.scopes
        },
    )


def _agent(name: str, agent: Agent, loaded: Loaded) -> grants.AgentRules:
    path: Path = ("agents", name)
    return grants.AgentRules(
        name,
        _granted(path, agent, loaded),
        agent.see_rules,
        team=agent.team,
        rate=agent.rate,
        rate_at=None if agent.rate is None else _ref((*path, "rate"), loaded),
    )


def _person(number: int, person: Person, loaded: Loaded) -> grants.AgentRules:
    return grants.AgentRules(f"{grants.PEOPLE}{number}", _granted(("people", number), person, loaded))


def _granted(path: Path, party: Granted, loaded: Loaded) -> tuple[grants.Grant, ...]:
    found: list[grants.Grant] = []
    if party.servers is not None:
        found.append(_grant(path, party, party.servers, loaded))
    for index, grant in enumerate(party.grants):
        found.append(_grant((*path, "grants", index), grant, grant.servers, loaded))
    return tuple(found)


def _grant(path: Path, grant: Granted | Grant, servers: tuple[str, ...], loaded: Loaded) -> grants.Grant:
    return grants.Grant(
        at=_ref(path, loaded),
        servers=_globs((*path, "servers"), servers, loaded),
        tools=_scope((*path, "tools"), grant.tools, loaded),
        resources=_scope((*path, "resources"), grant.resources, loaded),
        prompts=_scope((*path, "prompts"), grant.prompts, loaded),
        when=tuple(
            condition
            for name, test in grant.when.items()
            for condition in _conditions((*path, "when", name), name, test, loaded)
        ),
    )


def _scope(path: Path, scope: Names | Uris, loaded: Loaded) -> grants.Scope:
    return grants.Scope(
        allow=_globs((*path, "allow"), scope.allow, loaded), deny=_globs((*path, "deny"), scope.deny, loaded)
    )


def _globs(path: Path, patterns: tuple[str, ...], loaded: Loaded) -> tuple[grants.Glob, ...]:
    return tuple(grants.Glob(pattern, _ref((*path, index), loaded)) for index, pattern in enumerate(patterns))


def _conditions(path: Path, name: str, test: Test, loaded: Loaded) -> Iterator[grants.Condition]:
    argument = name.removeprefix("arguments.")
    tests = {"equals": test.equals, "in": test.in_, "at_least": test.at_least, "at_most": test.at_most}
    for word, value in tests.items():
        if value is not None:
            yield grants.Condition(argument, word, value, _ref((*path, word), loaded))


def _ref(path: Path, loaded: Loaded) -> RuleRef:
    return RuleRef(dotted(path), str(loaded.path), loaded.places.line(path))
