"""How often a key and an agent may call servers.

Every one of them has a bucket of its own, and a call takes from all or from none: who is refused by one has
not used up the other. Counted are the requests that go to a server, once nothing else is against them.
"""

import math
from collections.abc import Mapping
from typing import Final

from doorward.model.bounds import Rate
from doorward.model.call import Call
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.model.verdict import Deny, Facts
from doorward.ports.rates import Demand, Rates
from doorward.ports.stage import Pass

ID: Final = "rate"
KEY: Final = "key"
COUNTED: Final = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
PASS: Final = Pass()


class RateStage:
    """Of one configuration; the buckets outlive it."""

    id = ID

    def __init__(self, rates: Rates, agents: Mapping[str, Rate]) -> None:
        """`agents`: those that have a rate."""
        self._rates = rates
        self._agents = agents

    def concerns(self, principal: Principal) -> bool:
        """Whether this principal, or an agent in whose name it acts, has a rate."""
        agents, bounds = self._agents, principal.bounds
        return (
            principal.rate is not None
            or principal.agent in agents
            or (bounds is not None and any(agent in agents for agent in bounds.agents))
        )

    async def check(self, call: Call, principal: Principal, target: Target, facts: Facts) -> Pass | Deny:
        """Never waits."""
        if call.method not in COUNTED:
            return PASS
        exhausted = self._rates.take(self._demands(principal))
        if exhausted is None:
            return PASS
        bound, rate = exhausted.demand.bucket.partition("|")[2], exhausted.demand.rate
        whose = "this key" if bound == KEY else bound.replace(":", " ", 1)
        seconds = math.ceil(exhausted.retry_after_s)
        return Deny(
            Reason.RATE_LIMITED,
            f"{whose} is limited to {rate}; try again in {seconds} s",
            visible=True,
            softenable=False,
            bound=bound,
            retry_after_s=seconds,
        )

    def _demands(self, principal: Principal) -> list[Demand]:
        demands = []
        if principal.rate is not None:
            demands.append(Demand(f"{principal.key_id}|{KEY}", principal.rate))
        further = principal.bounds.agents if principal.bounds is not None else ()
        for agent in dict.fromkeys((principal.agent, *further)):
            rate = self._agents.get(agent)
            if rate is not None:
                demands.append(Demand(f"{principal.tenant}|agent:{agent}", rate))
        return demands
