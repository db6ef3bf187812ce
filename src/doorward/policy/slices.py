"""A slice: the parsed policies that can matter to one agent and one action, ready to be asked.

Cedar's cost grows with the number of policies, not with the number that match, so nothing else is in there.
The three things that keep an erring `forbid` from letting a call through: policies are validated strictly
against the slice's schema, so is every request, and any error in an answer makes it a failure
(DESIGN section 6).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from cedarpy import Decision, Entities, PolicySet, Schema, is_authorized, validate_policies

from doorward.model.errors import PolicyError
from doorward.model.reasons import Reason
from doorward.policy.compile import Where
from doorward.policy.encode import Record
from doorward.policy.names import AGENT, SERVER
from doorward.policy.schema import action_schema

_NOBODY: Final = Entities.from_json_str("[]")
_to_json: Final = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True):
    """What Cedar said. `fired` is what determined it: the permits of an allow or the forbids of a denial."""

    allowed: bool
    failed: bool
    fired: tuple[int, ...]
    """Positions in the list the slice was made from."""


FAILED: Final = Answer(allowed=False, failed=True, fired=())


class Slice:
    """Policies of one `Where`, in the order of `rules`."""

    def __init__(self, where: Where, texts: Sequence[str], given: Record, *, required: bool = False) -> None:
        """Raises PolicyError when the policies do not parse or do not fit the schema."""
        text = "".join(texts)
        try:
            self._schema = Schema.from_json_str(
                action_schema(where.space, where.action, given, required=required)
            )
            self._policies = PolicySet.from_str(text)
            checked = validate_policies(text, self._schema)
        except ValueError as error:
            raise PolicyError(
                Reason.POLICY_EVALUATION_FAILED, "the rules for this call do not compile"
            ) from error
        if not checked.validation_passed:
            raise PolicyError(
                Reason.POLICY_EVALUATION_FAILED, "the rules for this call do not fit its schema"
            )
        self._request = {
            "principal": {"type": AGENT, "id": where.agent},
            "action": {"type": f"{where.space}::Action", "id": where.action},
            "resource": {"type": SERVER, "id": where.server},
        }

    def ask(self, given: dict[str, Any]) -> Answer:
        """Cedar's answer for these attributes of `context.input`; FAILED when there is none to rely on."""
        try:
            context = _to_json({"input": given}).decode()
        except UnicodeEncodeError:  # a lone surrogate in a name or URI
            return FAILED
        said = is_authorized(self._request | {"context": context}, self._policies, _NOBODY, self._schema)
        if said.diagnostics.errors or said.decision is Decision.NoDecision:
            return FAILED
        fired = tuple(sorted(int(name.removeprefix("policy")) for name in said.diagnostics.reasons))
        return Answer(allowed=said.decision is Decision.Allow, failed=False, fired=fired)
