"""What the gateway sees of a caller, for that caller: `GET /whoami`."""

import math
from datetime import UTC, datetime
from typing import Any

from doorward.model.bounds import Bounds
from doorward.model.principal import Actor, Principal
from doorward.policy.engine import Engine


def described(principal: Principal, policy: Engine) -> dict[str, Any]:
    """As JSON members; what is not known of this caller is null. Nothing of the credential is in it."""
    return {
        "tenant": principal.tenant,
        "subject": principal.subject,
        "issuer": principal.issuer or None,
        "human": principal.human,
        "agent": principal.agent,
        "team": principal.team,
        "client": principal.client,
        "actors": [_actor(one) for one in principal.actors],
        "method": principal.method,
        "strength": principal.strength or None,
        "acr": principal.acr,
        "amr": list(principal.amr),
        "key_id": principal.key_id,
        "groups": sorted(principal.groups),
        "scopes": None if principal.scopes is None else sorted(principal.scopes),
        "expires_at": _moment(principal.expires_at),
        "rate": None if principal.rate is None else str(principal.rate),
        "agent_rates": _rates(principal, policy),
        "budget_owner": principal.budget_owner,
        "bounds": None if principal.bounds is None else _bounds(principal.bounds),
        "servers": policy.known_to(principal),
    }


def _rates(principal: Principal, policy: Engine) -> dict[str, str]:
    """Of the agent and of those in whose name it acts, shared with all their callers."""
    further = principal.bounds.agents if principal.bounds is not None else ()
    rates = {agent: policy.rate(agent) for agent in (principal.agent, *further)}
    return {agent: str(rate) for agent, rate in rates.items() if rate is not None}


def _actor(actor: Actor) -> dict[str, Any]:
    return {
        "issuer": actor.issuer,
        "subject": actor.subject,
        "kind": actor.kind,
        "client": actor.client,
        "agent": actor.agent,
    }


def _bounds(bounds: Bounds) -> dict[str, Any]:
    return {
        "narrowings": [
            {"of": one.of, "servers": one.servers, "tools": one.tools, "read_only": one.read_only}
            for one in bounds.narrowings
        ],
        # Of each human how many entries fit, not which: their places are for those who may see rules.
        "people": [len(entries) for entries in bounds.people],
        "agents": bounds.agents,
    }


def _moment(seconds: float) -> str | None:
    if math.isinf(seconds):
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
