"""What concerns several values of how a server is reached at once. Tolerates any shape, as `check` does."""

from collections.abc import Iterator
from typing import Any, Final

from doorward.config.explain import Finding
from doorward.config.places import Path, dotted
from doorward.config.proxies import ProxyUrl, parse_proxy_url
from doorward.config.values import is_loopback, parse_duration

OVER_HTTP: Final = ("connect", "tls", "first_byte", "idle")
"""Parts of `timeout` that a local server has no use for."""


def check_outbound(path: Path, server: dict[str, Any]) -> Iterator[Finding]:
    """Of one server, whatever its kind."""
    timeouts = [(*path, "timeout")] + [(*path, "tools", glob, "timeout") for glob in _dict(server, "tools")]
    for at in timeouts:
        value: Any = server
        for part in at[len(path) :]:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, dict):
            yield from _timeout(at, value, local="command" in server)


def crosses_plainly(server: dict[str, Any]) -> bool:
    """Whether a plain http URL of this very machine is reached through a proxy elsewhere."""
    try:
        proxy = parse_proxy_url(server["proxy"]) if isinstance(server.get("proxy"), str) else None
    except ValueError:
        return False  # none, env (which never sends loopback through a proxy), or reported by the model
    return isinstance(proxy, ProxyUrl) and not is_loopback(proxy.host)


def _timeout(path: Path, timeout: dict[str, Any], *, local: bool) -> Iterator[Finding]:
    if timeout == {}:
        yield Finding(path, f"{dotted(path)} says nothing", "write a duration such as 30s", at_key=True)
    total = _seconds(timeout.get("total"))
    for key in OVER_HTTP:
        if key in timeout and local:
            message = f"{key} goes with url: a local server has a total only"
            yield Finding((*path, key), message, at_key=True)
        part = _seconds(timeout.get(key))
        if part is not None and total is not None and part > total:
            yield Finding((*path, key), f"{key} is more than total, which ends the call before", at_key=True)


def _dict(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def _seconds(value: object) -> float | None:
    try:
        return parse_duration(value)
    except ValueError:
        return None  # absent, or reported by the model
