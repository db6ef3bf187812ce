"""What a new configuration changes, as change records say it: each part by its digest, never by its text."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from doorward.audit.records import Actor, Changed
from doorward.config.load import Loaded
from doorward.config.settings import Settings
from doorward.model.canonical import any_canonical

Told = Literal["file", "signal"]
"""What made a gateway read its configuration again."""


def actor_of(told: Told, path: Path) -> Actor:
    """Who changed it, as far as anybody can know: the owner of a file that has changed. A signal does not say
    who sent it."""
    if told == "signal":
        return Actor("unknown", told)
    try:
        return Actor(path.owner(), told)
    except (KeyError, OSError, NotImplementedError):  # a number without a name, no file, no owners here
        return Actor("unknown", told)


def changes(old: Loaded, new: Loaded) -> list[Changed]:
    """The whole first, then the parts that differ."""
    whole = Changed("config:replace", "config", {"digest": old.digest}, {"digest": new.digest})
    return [whole, *_parts(old.settings, new.settings)]


def _parts(old: Settings, new: Settings) -> Iterator[Changed]:
    before, after = _policy(old), _policy(new)
    if before != after:
        yield Changed("policy:replace", "policy", {"digest": before}, {"digest": after})
    for name in sorted({*old.servers, *new.servers}):
        was, now = _mode(old, name), _mode(new, name)
        if was != now:
            yield Changed("mode:set", f"server:{name}", was, now)
        if old.servers.get(name) != new.servers.get(name):
            yield _changed("server:replace", f"server:{name}", old.servers.get(name), new.servers.get(name))
    if old.auth != new.auth or old.gateway.public_url != new.gateway.public_url:
        yield Changed("identity:replace", "auth", _callers(old), _secretly(_callers(old), _callers(new)))
    if old.gateway.tls != new.gateway.tls:
        yield _changed("tls:replace", "gateway.tls", old.gateway.tls, new.gateway.tls)


def _changed(action: str, name: str, old: BaseModel | None, new: BaseModel | None) -> Changed:
    before = _shown(old)
    return Changed(action, name, before, _secretly(before, _shown(new)))


def _secretly(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any] | None:
    """Secrets are masked before anything is digested."""
    return {**before, "secrets": "replaced"} if before is not None and before == after else after


def _callers(settings: Settings) -> dict[str, Any]:
    """How callers are known, and for which URL their tokens are made."""
    auth = settings.auth if isinstance(settings.auth, str) else settings.auth.model_dump(mode="json")
    return {"digest": _digest({"auth": auth, "public_url": settings.gateway.public_url})}


def _shown(part: BaseModel | None) -> dict[str, Any] | None:
    return None if part is None else {"digest": _digest(part.model_dump(mode="json"))}


def _mode(settings: Settings, name: str) -> dict[str, Any] | None:
    return {"mode": str(settings.mode_of(name))} if name in settings.servers else None


def _policy(settings: Settings) -> str:
    """Of all that decides: agents and people with their grants, the mode of each server, what a tool may do,
    and which scopes it needs."""
    return _digest(
        {
            "people": [person.model_dump(mode="json") for person in settings.people],
            "scopes": {name: server.scopes for name, server in settings.servers.items()},
            "agents": {name: agent.model_dump(mode="json") for name, agent in settings.agents.items()},
            "modes": {name: str(settings.mode_of(name)) for name in settings.servers},
            "tools": {
                name: {glob: tool.model_dump(mode="json") for glob, tool in server.tools.items()}
                for name, server in settings.servers.items()
            },
        }
    )


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(any_canonical(value)).hexdigest()
