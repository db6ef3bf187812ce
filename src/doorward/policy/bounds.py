"""What must allow a call beside its agent's grants (model/bounds.py). Pure, and it only ever tightens.

Guarantees: no bound turns a denial into an allow; what is hidden without arguments is denied with any; what a
key or its creator leaves out, and what lies outside a token's scopes, no mode softens. A missing scope hides
nothing, because the caller can obtain it (DESIGN section 5).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgspec

from doorward.model.bounds import Bounds, Narrowing
from doorward.model.globs import matches
from doorward.model.grants import ScopeRule
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Allow, Deny, Mode, RuleRef
from doorward.policy import explain
from doorward.policy.book import Book
from doorward.policy.memo import Memo

MOST_FENCES: Final = 16_384
"""Of all credentials and targets together."""
_LONG_URI: Final = 512
_FIRM: Final = frozenset({Reason.DENIED_BY_RULE, Reason.POLICY_EVALUATION_FAILED})
"""What no other entry of the same human outweighs: entries add up as grants do, and any deny wins."""
_Key = tuple[Bounds, str, Kind, str, OperationClass]


class Fence(msgspec.Struct, eq=False):
    """What bounds say of a target without arguments."""

    denial: Deny | None
    """Of who narrowed the credential: final."""
    others: Allow | Deny | None
    """Of people and further agents; None where there are none."""
    conditional: bool
    """Whether arguments may change `others`."""
    lacking: tuple[str, ...]
    """All scopes that the operation needs, if the token lacks one of them."""
    agreed: tuple[Allow | Deny, Allow | Deny] | None = None
    """What was last said of a call, after which word of the agent's rules: it often is the same object again,
    and adding up what everybody said takes ten times as long."""


class Fences:
    """Bounds over the rules of one engine. Only remembers: a lost entry costs time and nothing else."""

    __slots__ = ("_books", "_known", "_scopes")

    def __init__(self, books: Mapping[str, Book], scopes: Mapping[str, Sequence[ScopeRule]]) -> None:
        self._books = books
        self._scopes = scopes
        self._known: Memo[_Key, Fence] = Memo(MOST_FENCES)

    def judge(
        self, bounds: Bounds, target: Target, arguments: Mapping[str, Any] | None, verdict: Allow | Deny
    ) -> Allow | Deny:
        """`verdict`, the agent's own, as far as everybody else allows the same."""
        if isinstance(verdict, Deny) and not verdict.visible:
            return verdict
        key = (bounds, target.server, target.kind, target.name, target.op_class)
        fence = self._known.get(key) or self._fence(key, bounds, target)
        if fence.denial is not None:
            return fence.denial
        if arguments is None:
            together = verdict if fence.others is None else every((verdict, fence.others))
            if not fence.lacking or isinstance(together, Deny):
                return together
            return msgspec.structs.replace(together, depends=True, lacking=fence.lacking)
        agreed = fence.agreed
        if agreed is not None and agreed[0] is verdict:
            return agreed[1]
        others = self._others(bounds, target, arguments) if fence.conditional else fence.others
        together = verdict if others is None else every((verdict, others))
        if fence.lacking and isinstance(together, Allow):
            together = insufficient(fence.lacking)
        if not fence.conditional:
            fence.agreed = verdict, together
        return together

    def weigh(self, bounds: Bounds, target: Target) -> None:
        """What `judge` costs for a name that is hidden, for one that nobody lists."""
        book = self._books[target.server]
        for agent in _parties(bounds):
            book.weigh(agent, target)

    def _fence(self, key: _Key, bounds: Bounds, target: Target) -> Fence:
        book = self._books[target.server]
        fence = Fence(
            denial=next(filter(None, (outside(one, target) for one in bounds.narrowings)), None),
            others=self._others(bounds, target, None),
            conditional=any(book.recall(agent, target).candidates for agent in _parties(bounds)),
            lacking=self._lacking(bounds, target),
        )
        return fence if len(target.name) > _LONG_URI else self._known.put(key, fence)

    def _others(
        self, bounds: Bounds, target: Target, arguments: Mapping[str, Any] | None
    ) -> Allow | Deny | None:
        book = self._books[target.server]
        said: list[Allow | Deny] = []
        for entries in bounds.people:
            human = any_of([_named("people", book.ask(one, target, arguments)) for one in entries])
            said.append(human or _nobody(book, target))
        said += [_named(f"agent:{one}", book.ask(one, target, arguments)) for one in bounds.agents]
        return every(said) if said else None

    def _lacking(self, bounds: Bounds, target: Target) -> tuple[str, ...]:
        if bounds.scopes is None:
            return ()
        needed = scopes_of(self._scopes.get(target.server, ()), target)
        return () if bounds.scopes.issuperset(needed) else needed


def scopes_of(rules: Iterable[ScopeRule], target: Target) -> tuple[str, ...]:
    """Every scope that an operation needs, in the order of the file: of a tool those of all globs that match
    it, of anything else those of `*`."""
    name = target.name if target.kind is Kind.TOOL else None
    fitting = (rule for rule in rules if rule.pattern == "*" or (name and matches(rule.pattern, name)))
    return tuple(dict.fromkeys(scope for rule in fitting for scope in rule.scopes))


def outside(narrowing: Narrowing, target: Target) -> Deny | None:
    """The denial of what is not left."""
    left = leaves_server(narrowing, target.server)
    if left and narrowing.tools is not None:
        left = any(_leaves(one, target) for one in narrowing.tools)
    if left and narrowing.read_only:
        left = target.op_class is OperationClass.READ
    if left:
        return None
    message = f"{narrowing.of} leaves out {explain.what(target)}"
    return Deny(Reason.OUT_OF_BOUNDS, message, softenable=False, bound=narrowing.of)


def leaves_server(narrowing: Narrowing, server: str) -> bool:
    """Whether anything of a server is left."""
    return narrowing.servers is None or any(matches(one, server) for one in narrowing.servers)


def _leaves(pattern: str, target: Target) -> bool:
    """What is no tool is left by a glob that leaves every tool: who names some tools means nothing else."""
    server, slash, tool = pattern.partition("/")
    if not slash:
        server, tool = "*", pattern
    if not matches(server, target.server):
        return False
    return matches(tool, target.name) if target.kind is Kind.TOOL else tool == "*"


def every(verdicts: Sequence[Allow | Deny]) -> Allow | Deny:
    """All of them have to allow. A denial that hides comes first: it was there without arguments, too."""
    denials = [one for one in verdicts if isinstance(one, Deny)]
    if denials:
        return next((one for one in denials if not one.visible), denials[0])
    allowed = [one for one in verdicts if isinstance(one, Allow)]
    return _joined(allowed, depends=any(one.depends for one in allowed))


def any_of(verdicts: Sequence[Allow | Deny]) -> Allow | Deny | None:
    """One of them has to allow, and no rule of any to deny. None where there is none."""
    if not verdicts:
        return None
    denials = [(_denial(one), one) for one in verdicts]
    for denial, verdict in denials:
        if denial is not None and denial.reason in _FIRM:
            return verdict
    allowed = [one for denial, one in denials if denial is None and isinstance(one, Allow)]
    if allowed:
        return _joined(allowed, depends=all(one.depends for one in allowed))
    return next((one for denial, one in denials if denial is not None and denial.visible), verdicts[0])


def insufficient(needed: tuple[str, ...]) -> Deny:
    """Of a token without some of the scopes `needed`."""
    message = "this needs a token with more scopes"
    return Deny(
        Reason.INSUFFICIENT_SCOPE, message, visible=True, softenable=False, scopes=needed, bound="scopes"
    )


def _parties(bounds: Bounds) -> tuple[str, ...]:
    """The rule sets of all people and further agents."""
    return (*chain.from_iterable(bounds.people), *bounds.agents)


def _joined(allowed: Sequence[Allow], *, depends: bool) -> Allow:
    rules: tuple[RuleRef, ...] = sum((one.rules for one in allowed), ())
    softened = next((one.softened for one in allowed if one.softened is not None), None)
    return Allow(tuple(dict.fromkeys(rules)), softened, depends)


def _denial(verdict: Allow | Deny) -> Deny | None:
    return verdict if isinstance(verdict, Deny) else verdict.softened


def _named(bound: str, verdict: Allow | Deny) -> Allow | Deny:
    """The same, with the words for who it was that denied."""
    if isinstance(verdict, Deny):
        return msgspec.structs.replace(verdict, bound=bound)
    if verdict.softened is not None:
        return msgspec.structs.replace(
            verdict, softened=msgspec.structs.replace(verdict.softened, bound=bound)
        )
    return verdict


def _nobody(book: Book, target: Target) -> Allow | Deny:
    """Of a human of whom the configuration says nothing."""
    message = f"people has no entry for the human behind this call to {explain.what(target)}"
    denial = Deny(Reason.NO_GRANT, message, bound="people")
    return Allow((), softened=denial) if book.mode is Mode.AUDIT else denial
