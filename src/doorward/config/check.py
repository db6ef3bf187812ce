"""What concerns several values at once. Judges plain data, so that it also runs when single values are wrong.

Every function tolerates any shape: what is ill-typed has been reported by the models and is passed over here.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from doorward.config.errors import did_you_mean
from doorward.config.explain import Finding
from doorward.config.identity_check import check_identity
from doorward.config.outbound_check import check_outbound, crosses_plainly
from doorward.config.places import Path, Places, dotted
from doorward.config.values import Listen, is_loopback, parse_listen
from doorward.model import globs

_LOCAL_ONLY = ("env", "cwd", "processes")
_REMOTE_ONLY = ("auth", "tls", "insecure", "pool", "dns", "proxy")
_GRANTED = ("tools", "resources", "prompts", "when")


def check(data: dict[str, Any], places: Places) -> Iterator[Finding]:
    """Everything that the models cannot see."""
    yield from _empty_values(data, ())
    yield from _listener(data)
    yield from _proxies(data)
    yield from check_identity(data)
    servers = _mapping(data.get("servers"))
    for name, server in servers.items():
        if isinstance(server, dict):
            yield from _server(("servers", name), server)
    for name, agent in _mapping(data.get("agents")).items():
        yield from _granted(("agents", name), _mapping(agent), list(servers), places)
    people = data.get("people")
    for index, person in enumerate(people if isinstance(people, list) else []):
        yield from _granted(("people", index), _mapping(person), list(servers), places)


def _empty_values(value: Any, path: Path) -> Iterator[Finding]:
    """`key:` with nothing after it is a slip more often than a wish for a default."""
    if value is None and path:
        yield Finding(path, f"{dotted(path)} has no value", "give it one, or remove it", at_key=True)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _empty_values(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _empty_values(item, (*path, index))


def _listener(data: dict[str, Any]) -> Iterator[Finding]:
    gateway = _mapping(data.get("gateway"))
    yield from _listener_tls(gateway)
    for path, listen in _addresses(gateway):
        yield from _reachable(path, listen, data, gateway)


def _addresses(gateway: dict[str, Any]) -> Iterator[tuple[Path, Listen]]:
    """Those that can be read: the others are reported by the model, and the default is loopback."""
    said = gateway.get("listen")
    path: Path = ("gateway", "listen")
    for index, each in enumerate(said if isinstance(said, list) else [said]):
        with suppress(ValueError):
            yield (*path, index) if isinstance(said, list) else path, parse_listen(each)


def _reachable(
    path: Path, listen: Listen, data: dict[str, Any], gateway: dict[str, Any]
) -> Iterator[Finding]:
    if listen.loopback:
        return
    if data.get("auth") == "none":
        yield Finding(
            path, "a listener that others can reach needs authentication", "write auth: {keys: true}"
        )
    if "public_url" not in gateway:
        hint = "add gateway.public_url, the URL by which agents reach this gateway"
        yield Finding(path, "a listener that others can reach needs gateway.public_url", hint)


def _proxies(data: dict[str, Any]) -> Iterator[Finding]:
    """A proxy turns "this machine" into "everybody", so with `auth: none` nobody behind one is served."""
    gateway = _mapping(data.get("gateway"))
    for key in ("trusted_proxies", "proxy_protocol"):
        if gateway.get(key) and data.get("auth") == "none":
            message = f"{key} needs authentication: with auth: none nobody behind a proxy is served"
            yield Finding(("gateway", key), message, "write auth: {keys: true}", at_key=True)


def _listener_tls(gateway: dict[str, Any]) -> Iterator[Finding]:
    if "tls" not in gateway:
        return
    path: Path = ("gateway", "tls")
    tls = _mapping(gateway["tls"])
    if "client_cert" in tls and "client_ca" not in tls:
        hint = "add client_ca, a PEM file with the authorities that issue the certificates of clients"
        yield Finding((*path, "client_cert"), "client_cert needs client_ca beside it", hint, at_key=True)
    listening, url = [listen for _, listen in _addresses(gateway)], gateway.get("public_url")
    if listening and all(listen.path is not None for listen in listening):
        yield Finding(path, "tls goes with host:port, and this listener is a Unix socket", at_key=True)
    if isinstance(url, str) and url.lower().startswith("http:"):
        hint = "agents reach a listener with tls by an https URL"
        yield Finding(("gateway", "public_url"), "public_url is http, and the listener speaks TLS", hint)


def _server(path: Path, server: dict[str, Any]) -> Iterator[Finding]:
    if ("url" in server) == ("command" in server):
        both = "this has both" if "url" in server else "this has neither"
        yield Finding(path, f"{dotted(path)} needs exactly one of url and command: {both}", at_key=True)
        return
    kind, other, foreign = (
        ("url", "command", _LOCAL_ONLY) if "url" in server else ("command", "url", _REMOTE_ONLY)
    )
    for key in foreign:
        if key in server:
            yield Finding(
                (*path, key), f"{key} goes with {other}, and {dotted(path)} has a {kind}", at_key=True
            )
    if server.get("may_ask") and server.get("shared") is True:
        message = "may_ask goes with a process for each caller: in a shared one nobody knows whom to ask"
        yield Finding((*path, "may_ask"), message, "remove shared", at_key=True)
    auth, tls = _mapping(server.get("auth")), _mapping(server.get("tls"))
    if "auth" in server and ("bearer" in auth) == ("headers" in auth):
        message = "auth needs exactly one of bearer and headers"
        yield Finding((*path, "auth"), message, "put Authorization into headers to send both", at_key=True)
    if ("cert" in tls) != ("key" in tls):
        yield Finding((*path, "tls"), "cert and key go together: this has one of them", at_key=True)
    yield from _plain_http(path, server)
    yield from check_outbound(path, server)


def _plain_http(path: Path, server: dict[str, Any]) -> Iterator[Finding]:
    url = server.get("url")
    if not isinstance(url, str) or not url.lower().startswith("http:"):
        return
    if "tls" in server:
        yield Finding((*path, "tls"), "tls goes with an https URL, and this one is http", at_key=True)
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return
    if (not is_loopback(host) or crosses_plainly(server)) and server.get("insecure") is not True:
        hint = "use https, or accept the risk with insecure: true"
        yield Finding((*path, "url"), "plain http to another machine sends credentials in clear text", hint)


def _granted(path: Path, party: dict[str, Any], servers: list[str], places: Places) -> Iterator[Finding]:
    orphans = [key for key in _GRANTED if key in party]
    if orphans and "servers" not in party:
        message = f"{orphans[0]} needs servers beside it: without them it grants nothing"
        yield Finding((*path, orphans[0]), message, at_key=True)
    yield from _grant(path, party, servers, places)
    grants = party.get("grants")
    for index, grant in enumerate(grants if isinstance(grants, list) else []):
        yield from _grant((*path, "grants", index), _mapping(grant), servers, places)


def _grant(path: Path, grant: dict[str, Any], servers: list[str], places: Places) -> Iterator[Finding]:
    named = grant.get("servers")
    for index, pattern in enumerate(named if isinstance(named, list) else []):
        # A lone * is no slip: it also means the servers that are still to come.
        if not isinstance(pattern, str) or pattern == "*":
            continue
        if not any(globs.matches(pattern, server) for server in servers):
            at = (*path, "servers", index)
            what = "no server matches" if "*" in pattern else "no server is named"
            hint = did_you_mean(pattern.strip("*"), servers) or _choices(servers)
            yield Finding(at, f'{what} "{places.written(at)}"', hint)
    if grant.get("when") == {}:
        yield Finding((*path, "when"), "when has no condition", "remove it to grant without one", at_key=True)
    for name, test in _mapping(grant.get("when")).items():
        yield from _test((*path, "when", name), test)


def _test(path: Path, test: Any) -> Iterator[Finding]:
    if test == {}:
        yield Finding(path, "expected one of equals, in, at_least and at_most", at_key=True)
    low, high = _mapping(test).get("at_least"), _mapping(test).get("at_most")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield Finding(path, "nothing is at once at_least and at_most these", at_key=True)


def _choices(servers: list[str]) -> str:
    return f"servers: {', '.join(servers)}" if servers else "there are no servers in this file"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
