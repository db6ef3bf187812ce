"""What policy says about one server. A changed list or rule makes a new book; a book's answers never change.

The memos here only remember answers: a lost entry costs time and nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from doorward.model.errors import PolicyError
from doorward.model.grants import AgentRules
from doorward.model.target import Definition, Kind, Target
from doorward.model.verdict import Allow, Deny, Mode, RuleRef
from doorward.policy import explain
from doorward.policy.compile import SHAPES, Rule, Where, policy, rules_of
from doorward.policy.conditions import Conditions
from doorward.policy.encode import CedarType, Record, Scalar
from doorward.policy.memo import Memo
from doorward.policy.names import action_id, namespace
from doorward.policy.schema import input_type
from doorward.policy.slices import FAILED, Answer, Slice
from doorward.policy.templates import judge_template

_LISTED: Final = (Kind.TOOL, Kind.PROMPT)
_LONG_URI: Final = 512  # callers choose what they ask for: longer ones are decided, not remembered


Alike = Memo[tuple[str, tuple[tuple[bool, RuleRef], ...]], Answer]
"""By agent and rules: what Cedar says of a tool that these rules name, at whichever server. `fired` are
positions among them."""


class Standing(msgspec.Struct, frozen=True, eq=False):
    """What can be said of a target without arguments. `verdict` is final unless there are `candidates`."""

    verdict: Allow | Deny
    candidates: tuple[Rule, ...] = ()
    """The permits whose conditions decide, where no permit without conditions allows the target."""


class Book:
    """Rules, definitions and mode of one server, and what was answered about them."""

    def __init__(
        self,
        server: str,
        agents: Mapping[str, AgentRules],
        definitions: Sequence[Definition],
        mode: Mode,
        alike: Alike,
    ) -> None:
        """`alike`: of all books under the same rules."""
        self.mode = mode
        self._server = server
        self._space = namespace(server)
        self._agents = agents
        self._listed = {(one.kind, one.name): one for one in definitions if one.kind in _LISTED}
        self._rules: dict[tuple[str, Kind], tuple[Rule, ...]] = {}
        # Names nobody lists cannot push listed ones out: URIs are remembered apart from names.
        self.names: Memo[tuple[str, Kind, str], Standing] = Memo(65_536)
        self.uris: Memo[tuple[str, Kind, str], Standing] = Memo(16_384)
        self._strangers: Memo[tuple[str, Kind, str], Standing] = Memo(4_096)
        """What would be said of names that nobody lists; nobody is told."""
        self._alike = alike
        self._static: Memo[tuple[str, Kind], Slice | None] = Memo(1_024)
        self._conditions: Memo[tuple[str, Kind, str], Conditions | None] = Memo(1_024)

    def become(self, kind: type["Book"]) -> "Book":
        """The same rules and definitions in a book of another kind."""
        return kind(self._server, self._agents, tuple(self._listed.values()), self.mode, self._alike)

    def standing(self, agent: str, target: Target) -> Standing:
        """The static answer, worked out now."""
        if target.kind not in _LISTED:
            standing = self._stand(agent, target)
            if len(target.name) > _LONG_URI:
                return standing
            return self.uris.put((agent, target.kind, target.name), standing)
        if (target.kind, target.name) not in self._listed:
            return Standing(explain.no_grant(agent, target, softenable=False))
        return self.names.put((agent, target.kind, target.name), self._stand(agent, target))

    def recall(self, agent: str, target: Target) -> Standing:
        """The static answer, remembered or worked out now."""
        known = self.names if target.kind in _LISTED else self.uris
        return known.get((agent, target.kind, target.name)) or self.standing(agent, target)

    def ask(self, agent: str, target: Target, arguments: Mapping[str, Any] | None) -> Allow | Deny:
        """What these rules say; without arguments whether any call could be allowed."""
        standing = self.recall(agent, target)
        if arguments is None or not standing.candidates:
            return standing.verdict
        return self.judge(agent, target, standing.candidates, arguments)

    def weigh(self, agent: str, target: Target) -> None:
        """What a listed name costs, for one that is not: the first time the work, later a look."""
        key = (agent, target.kind, target.name)
        if key not in self._strangers:
            self._strangers.put(key, self._stand(agent, target))

    def judge(
        self, agent: str, target: Target, candidates: tuple[Rule, ...], arguments: Mapping[str, Any]
    ) -> Allow | Deny:
        """The answer for these arguments, where a standing has candidates."""
        conditions = self._conditions_of(agent, target)
        if conditions is None:
            return explain.failed(target, visible=True)
        answer, fired = conditions.ask(target.name, arguments)
        if answer.failed:
            return explain.failed(target, visible=True)
        if answer.allowed:
            return Allow(tuple(rule.at for rule in fired))
        if fired:
            return self._soften(explain.denied_by(agent, target, fired, candidates[0], visible=True))
        return self._soften(conditions.denial(candidates, target.name, arguments))

    def _stand(self, agent: str, target: Target) -> Standing:
        rules = self._rules_of(agent, target.kind)
        if target.kind is Kind.TEMPLATE:
            judged = judge_template(agent, target, rules)
            return Standing(self._soften(judged)) if isinstance(judged, Deny) else _allowed(judged)
        answer = self._answer(agent, target, rules)
        if answer.failed:
            return Standing(explain.failed(target, visible=False))
        fired = tuple(rules[n] for n in answer.fired)
        if answer.allowed:
            return _allowed(fired)
        if not fired:
            return Standing(self._soften(explain.no_grant(agent, target)))
        nearest = next((rule for rule in rules if rule.permits and rule.pattern.matches(target.name)), None)
        return Standing(self._soften(explain.denied_by(agent, target, fired, nearest)))

    def _answer(self, agent: str, target: Target, rules: tuple[Rule, ...]) -> Answer:
        """Cedar's answer when every condition is taken to hold; `fired` are positions in `rules`."""
        if target.kind is not Kind.TOOL:
            held = self._static.get((agent, target.kind)) or self._static.put(
                (agent, target.kind), self._sliced(agent, target, rules)
            )
            return held.ask(SHAPES[target.kind].fill(target.name, {})) if held is not None else FAILED
        # Policies of tools under the same rules differ only in the names of action and server: one tool of
        # one server asks for all. Two hundred servers under one grant would take half a second otherwise.
        positions = tuple(n for n, rule in enumerate(rules) if rule.pattern.matches(target.name))
        key = (agent, tuple((rules[n].permits, rules[n].at) for n in positions))
        answer = self._alike.get(key)
        if answer is None:
            held = self._sliced(agent, target, [rules[n] for n in positions])
            answer = held.ask({}) if held is not None else FAILED
            if not answer.failed:  # what fails here need not fail elsewhere
                self._alike.put(key, answer)
        fired = tuple(positions[n] for n in answer.fired)
        return Answer(answer.allowed, answer.failed, fired)

    def _sliced(self, agent: str, target: Target, rules: Sequence[Rule]) -> Slice | None:
        where = self._where(agent, target)
        shape = SHAPES[target.kind]
        texts = [policy(rule, where, shape.scope(rule)) for rule in rules]
        try:
            return Slice(where, texts, shape.types(Record({})), required=shape.named is not None)
        except PolicyError:
            return None

    def _conditions_of(self, agent: str, target: Target) -> Conditions | None:
        by_name = target.kind is Kind.TOOL
        key = (agent, target.kind, target.name if by_name else "")
        known = self._conditions.get(key)
        if known is not None:
            return known
        rules = self._rules_of(agent, target.kind)
        if by_name:
            rules = tuple(rule for rule in rules if rule.pattern.matches(target.name))
        types = self._types(target, rules)
        try:
            made = Conditions(rules, self._where(agent, target), SHAPES[target.kind], types)
        except PolicyError:
            return None
        return self._conditions.put(key, made)

    def _types(self, target: Target, rules: Sequence[Rule]) -> Mapping[str, CedarType]:
        mentioned = {one.argument for rule in rules for one in rule.when}
        if target.kind is Kind.TOOL:
            listed = self._listed[target.kind, target.name].listed
            return input_type(listed.get("inputSchema"), mentioned).attributes
        # GetPromptRequest: arguments are strings, whatever they are called (MCP schema, all revisions).
        return dict.fromkeys(mentioned, Scalar.STRING)

    def _rules_of(self, agent: str, kind: Kind) -> tuple[Rule, ...]:
        entry = self._agents.get(agent)
        if entry is None:
            return ()
        if (agent, kind) not in self._rules:
            self._rules[agent, kind] = rules_of(entry, self._server, kind)
        return self._rules[agent, kind]

    def _where(self, agent: str, target: Target) -> Where:
        return Where(agent, self._server, self._space, action_id(target.kind, target.name))

    def _soften(self, denial: Deny) -> Allow | Deny:
        if self.mode is Mode.AUDIT and denial.softenable:
            return Allow((), softened=denial)
        return denial


def _allowed(fired: tuple[Rule, ...]) -> Standing:
    certain = tuple(rule.at for rule in fired if not rule.when)
    if certain:
        return Standing(Allow(certain))
    return Standing(Allow(tuple(rule.at for rule in fired), depends=True), candidates=fired)
