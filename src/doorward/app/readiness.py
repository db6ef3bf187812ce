"""What /readyz says: the state of the whole, and each server by name."""

from collections.abc import Mapping
from typing import Any

from doorward.app.world import World
from doorward.edge.h1 import H1Server
from doorward.edge.limits import HttpLimits


def readiness(
    world: World, failure: str | None, trouble: str | None, tls: dict[str, Any] | None, *, operator: bool
) -> dict[str, Any]:
    """Ready: the log takes records and seals them, every server is up and says its lists; degraded: not so;
    not_ready: nothing can be recorded, so no call is served.

    `failure` and `trouble` are those of the log and of what seals it. `operator`: with what only they may
    know.
    """
    servers = {name: _server(world, name, operator=operator) for name in world.servers}
    up = all(each["state"] == "up" and not each["unlisted"] for each in servers.values())
    sound = trouble is None and (tls is None or (tls["problem"] is None and tls["days"] >= 0))
    status = "not_ready" if failure is not None else "ready" if up and sound else "degraded"
    return {
        "status": status,
        "mode": world.loaded.settings.mode,
        "audit": failure or "ok",
        "evidence": trouble or "ok",
        "config": None,
        "tls": tls,
        "servers": servers,
    }


def _server(world: World, name: str, *, operator: bool) -> dict[str, Any]:
    state, settings = world.servers[name].state, world.loaded.settings
    return {
        "state": state.level,
        "cause": state.cause,
        "era": state.era,
        "version": state.version,
        "transport": state.transport,
        "mode": settings.mode_of(name),
        "insecure": settings.servers[name].insecure,
        "unlisted": world.unsaid(name),
        # What a server has said may hold anything: an agent on this machine is not told.
        **({"details": state.details, "note": state.note} if operator else {}),
    }


def issuers_state(status: str, troubles: Mapping[str, str], *, operator: bool) -> dict[str, Any]:
    """Issuers whose keys could not be had when they were last asked: their tokens count as long as the last
    good keys do, so the whole is degraded. Why is for operators alone."""
    said = {name: why if operator else "its keys cannot be had" for name, why in sorted(troubles.items())}
    return {"status": "degraded" if said and status == "ready" else status, "issuers": said}


def traffic(http: H1Server, limits: HttpLimits) -> dict[str, Any]:
    """Connections now and at most, and how often each HTTP-level refusal has happened since the start."""
    return {
        "connections": http.connections,
        "connections_max": limits.connections,
        "running": http.running,
        "refused": dict(sorted(http.refused.items())),
    }
