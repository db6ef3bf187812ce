"""The engine: one verdict per question, and the only place that makes a Permit.

Guarantees (DESIGN sections 2 and 6): default deny; any deny rule wins over all allow rules; what cannot be
evaluated is denied; a target that the static question hides is denied whatever the arguments are.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from doorward.model.bounds import Rate
from doorward.model.call import Call
from doorward.model.globs import matches
from doorward.model.grants import AgentRules, PolicySpec, ScopeRule
from doorward.model.principal import Principal
from doorward.model.target import Definition, Kind, Target
from doorward.model.verdict import Allow, Deny, Facts, Hold, Mode, Permit, RuleRef
from doorward.policy import explain
from doorward.policy.blocked import BlockedBook
from doorward.policy.book import Alike, Book
from doorward.policy.bounds import Fences, insufficient, leaves_server
from doorward.policy.compile import check_rules
from doorward.policy.memo import Memo

_TOOL: Final = Kind.TOOL
_PROMPT: Final = Kind.PROMPT
MOST_ALIKE: Final = 16_384
"""Answers about rules that are remembered, of all agents and servers together."""
NOBODY: Final[frozenset[str]] = frozenset()
BUILT_IN: Final = Allow((RuleRef("builtin", "builtin", 0),))


class Engine:
    """Policy in force: rules and definitions as they were at one moment. Immutable but for its memos."""

    __slots__ = ("_agents", "_alike", "_books", "_fences", "_reached", "_scopes", "blocked", "revision")

    def __init__(
        self,
        agents: Mapping[str, AgentRules],
        books: Mapping[str, Book],
        revision: str,
        alike: Alike,
        scopes: Mapping[str, Sequence[ScopeRule]],
        *,
        blocked: frozenset[str] = NOBODY,
    ) -> None:
        """`blocked`: the servers whose books are of the kind that denies."""
        self._agents = agents
        self._books = books
        self._scopes = scopes
        self._fences = Fences(books, scopes)
        self._reached: dict[tuple[str, str], bool] = {}
        """By agent and server, of those that are configured."""
        self._alike = alike
        self.blocked = blocked
        """Servers that nobody gets through to."""
        self.revision = revision

    @classmethod
    def build(cls, spec: PolicySpec, definitions: Mapping[str, Sequence[Definition]]) -> "Engine":
        """An engine over what each server lists, by server name.

        A tool or prompt that is not among `definitions` does not exist and is denied. Nothing is compiled
        for a tool before the first question about it. Raises PolicyError for a rule without a form in Cedar.
        """
        for rules in spec.agents.values():
            check_rules(rules)
        alike: Alike = Memo(MOST_ALIKE)
        books = {
            server: Book(
                server, spec.agents, definitions.get(server, ()), spec.modes.get(server, Mode.ENFORCE), alike
            )
            for server in spec.modes.keys() | definitions.keys()
        }
        return cls(spec.agents, books, spec.revision, alike, spec.scopes)

    def with_definitions(self, server: str, definitions: Sequence[Definition]) -> "Engine":
        """The same policy over a server's new list; what is known about other servers stays known."""
        kind = BlockedBook if server in self.blocked else Book
        book = kind(server, self._agents, definitions, self.mode(server), self._alike)
        books = {**self._books, server: book}
        return Engine(self._agents, books, self.revision, self._alike, self._scopes, blocked=self.blocked)

    def with_blocked(self, servers: frozenset[str]) -> "Engine":
        """The same policy with these servers blocked, and no others; itself where that is so already."""
        if servers == self.blocked:
            return self
        books = dict(self._books)
        for server in (servers ^ self.blocked) & books.keys():
            books[server] = books[server].become(BlockedBook if server in servers else Book)
        return Engine(self._agents, books, self.revision, self._alike, self._scopes, blocked=servers)

    def shares_rules(self, other: "Engine") -> bool:
        """Whether both say the same of every definition that they both have: one is the other's
        `with_definitions`, however often, and the same servers are blocked."""
        return self._alike is other._alike and self.blocked == other.blocked  # noqa: SLF001 - its own kind

    def decide(
        self, principal: Principal, target: Target, arguments: Mapping[str, Any] | None
    ) -> Allow | Deny | Hold:
        """What the rules say. `arguments` None asks whether any call could be allowed, as lists do."""
        book = self._books.get(target.server)
        if book is None:
            return self._outside(principal, target)
        agent, kind = principal.agent, target.kind
        known = book.names if kind is _TOOL or kind is _PROMPT else book.uris
        standing = known.get((agent, kind, target.name)) or book.standing(agent, target)
        if arguments is None or not standing.candidates:
            verdict = standing.verdict
        else:
            verdict = book.judge(agent, target, standing.candidates, arguments)
        bounds = principal.bounds
        return verdict if bounds is None else self._fences.judge(bounds, target, arguments, verdict)

    def weigh(self, principal: Principal, target: Target) -> None:
        """The work of `decide` for a name that nobody lists, without an answer (catalog/route.py)."""
        book = self._books.get(target.server)
        if book is not None:
            book.weigh(principal.agent, target)
            if principal.bounds is not None:
                self._fences.weigh(principal.bounds, target)

    def conclude(  # noqa: PLR0917 - what the spine learned, in the order it learned it
        self,
        call: Call,
        principal: Principal,
        target: Target,
        allowed: Allow,
        facts: Facts,
        decision_id: str,
    ) -> Permit | Deny | Hold:
        """The final step: on what will really be sent. A static `allowed` is asked again."""
        if facts.changed or allowed.depends:
            if allowed.lacking:
                return insufficient(allowed.lacking)
            if facts.changed or call.judged() is not None:
                again = self.decide(principal, target, call.judged())
                if not isinstance(again, Allow):
                    return again
                allowed = again
        if facts.changed:  # what is known of it says what was asked, not what is sent
            call = msgspec.structs.replace(call, spelled=None, series=None)
        return Permit(call, principal, target, decision_id, allowed.rules, allowed.softened)

    def reaches(self, principal: Principal, server: str) -> bool:
        """Whether this caller may know that `server` exists: some grant names it, or its mode is audit, and
        so for everybody else who has to allow its calls."""
        bounds = principal.bounds
        return self._knows(principal.agent, server) and (
            bounds is None
            or (
                all(leaves_server(one, server) for one in bounds.narrowings)
                and all(self._knows(agent, server) for agent in bounds.agents)
                and all(self._human_knows(entries, server) for entries in bounds.people)
            )
        )

    def known_to(self, principal: Principal) -> list[str]:
        """The servers that this caller may know of, by name."""
        return sorted(server for server in self._books if self.reaches(principal, server))

    def _human_knows(self, entries: tuple[str, ...], server: str) -> bool:
        return self.mode(server) is Mode.AUDIT or any(self._knows(one, server) for one in entries)

    def _knows(self, agent: str, server: str) -> bool:
        key = (agent, server)
        known = self._reached.get(key)
        if known is None:
            known = self._names(agent, server) or self.mode(server) is Mode.AUDIT
            if agent in self._agents and server in self._books:
                self._reached[key] = known
        return known

    def _names(self, agent: str, server: str) -> bool:
        rules = self._agents.get(agent)
        return rules is not None and any(
            matches(glob.pattern, server) for grant in rules.grants for glob in grant.servers
        )

    def see_rules(self, agent: str) -> bool:
        """Whether denials tell this agent which rule they come from."""
        rules = self._agents.get(agent)
        return rules is not None and rules.see_rules

    def rate(self, agent: str) -> Rate | None:
        """How often all callers of this agent together may call servers."""
        rules = self._agents.get(agent)
        return None if rules is None else rules.rate

    def mode(self, server: str) -> Mode:
        """Of a server nobody configured: enforce."""
        book = self._books.get(server)
        return book.mode if book is not None else Mode.ENFORCE

    @staticmethod
    def _outside(principal: Principal, target: Target) -> Allow | Deny:
        if target.kind is Kind.GATEWAY:
            return BUILT_IN
        return explain.no_grant(principal.agent, target, softenable=False)
