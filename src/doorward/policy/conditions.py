"""The rules of one target whose answer depends on arguments: asked once per call, explained on denial."""

from collections.abc import Mapping, Sequence
from typing import Any

from doorward.model.grants import Condition
from doorward.model.verdict import Deny
from doorward.policy.compile import Rule, Shape, Where, condition_test, place, policy
from doorward.policy.encode import MISFIT, CedarType, Record, encode
from doorward.policy.explain import argument_broke
from doorward.policy.slices import Answer, Slice


class Conditions:
    """Compiled from an agent's rules for a target and the declared types of the target's arguments."""

    def __init__(
        self, rules: Sequence[Rule], where: Where, shape: Shape, types: Mapping[str, CedarType]
    ) -> None:
        """Raises PolicyError when Cedar does not accept what came out."""
        self._where = where
        self._shape = shape
        self._pairs: list[tuple[Rule, Condition, str]] = []
        self._rules: list[Rule] = []
        texts = []
        for rule in rules:
            tests = [
                (rule, one, test)
                for one in rule.when
                if (test := condition_test(one, shape.arguments, types.get(one.argument)))
            ]
            self._pairs += tests
            if len(tests) == len(rule.when):  # a rule with a condition that cannot be checked never allows
                self._rules.append(rule)
                texts.append(policy(rule, where, [*shape.scope(rule), *(test for _, _, test in tests)]))
        # Only what is compared is shown to Cedar: a strange value elsewhere cannot spoil the request.
        self._types = {one.argument: types[one.argument] for _, one, _ in self._pairs}
        self._slice = self._compiled(texts)
        self._singles: Slice | None = None

    def ask(self, name: str, arguments: Mapping[str, Any]) -> tuple[Answer, tuple[Rule, ...]]:
        """Cedar's answer, and the rules that determined it."""
        answer = self._slice.ask(self._given(name, arguments))
        return answer, tuple(self._rules[n] for n in answer.fired)

    def denial(self, candidates: Sequence[Rule], name: str, arguments: Mapping[str, Any]) -> Deny:
        """What broke the nearest of the rules that could have allowed the call.

        Cedar says which conditions hold, each asked as a policy of its own, so that no explanation can differ
        from the decision it explains.
        """
        if self._singles is None:
            self._singles = self._compiled(
                [policy(rule, self._where, [test]) for rule, _, test in self._pairs]
            )
        fired = self._singles.ask(self._given(name, arguments)).fired
        held = {(id(rule), id(one)) for rule, one, _ in (self._pairs[n] for n in fired)}
        loaded = {id(one) for _, one, _ in self._pairs}
        broken: list[list[Condition]] = [
            sorted((one for one in rule.when if (id(rule), id(one)) not in held), key=_place)
            for rule in candidates
        ]
        nearest = min(broken, key=len)
        kind = self._types.get(nearest[0].argument) if id(nearest[0]) in loaded else None
        return argument_broke(nearest, kind, arguments)

    def _compiled(self, texts: Sequence[str]) -> Slice:
        given = self._shape.types(Record(self._types))
        return Slice(self._where, texts, given, required=self._shape.named is not None)

    def _given(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        encoded = {
            argument: value
            for argument, kind in self._types.items()
            if (value := encode(arguments.get(argument), kind)) is not MISFIT
        }
        return self._shape.fill(name, encoded)


def _place(condition: Condition) -> tuple[str, int, str]:
    return place(condition.at)
