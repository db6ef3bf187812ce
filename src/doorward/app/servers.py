"""Configured servers as the upstream package takes them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from doorward.audit.records import Way
from doorward.config import outbound
from doorward.config.local import Processes
from doorward.config.proxies import parse_proxy_url
from doorward.config.settings import Server, ServerAuth, ServerTls
from doorward.model.target import ToolRule
from doorward.upstream.address import parse_url
from doorward.upstream.proxy import Proxy, proxy_from
from doorward.upstream.settings import Fields, ServerSettings
from doorward.upstream.timeouts import Timeouts, ToolTimeouts
from doorward.upstream.tls import ReloadingContext

SESSIONS: Final = 256
"""Legacy sessions with a remote server: each costs little here, other than a process."""


class FixedFields(msgspec.Struct, frozen=True):
    """Header fields of one configuration: a rotated `${file:}` secret makes a new one."""

    fields: Fields
    """The same list each time: request heads are built again only when it is another one."""

    def __call__(self) -> Fields:
        return self.fields

    def __repr__(self) -> str:
        return f"FixedFields({', '.join(name.decode() for name, _ in self.fields)})"


def server_settings(
    name: str, config: Server, base: Path, environ: Mapping[str, str] | None = None
) -> ServerSettings:
    """`environ` (default: the process's) names the proxy of a server with `proxy: env`.

    Raises OSError (ssl.SSLError is one) for TLS files that cannot be used, ValueError for such a proxy.
    """
    usual = _timeouts(config.timeout, Timeouts())
    processes = config.processes or Processes()
    pool, dns = config.pool or outbound.Pool(), config.dns or outbound.Dns()
    return ServerSettings(
        name=name,
        url=config.url,
        command=config.command,
        env={variable: secret.reveal() for variable, secret in config.env.items()},
        cwd=str(config.cwd or base) if config.command else None,
        shared=config.shared,
        may_ask=config.may_ask,
        umask=processes.umask,
        stop_s=processes.stop,
        restart_budget=processes.restarts,
        unanswered=processes.unanswered,
        max_conversations=processes.max if config.command else SESSIONS,
        conversation_idle_s=processes.idle,
        timeout_s=usual.total_s,
        connect_s=usual.connect_s,
        tls_s=usual.tls_s,
        first_byte_s=usual.first_byte_s,
        idle_s=usual.idle_s,
        tool_timeouts=_tool_timeouts(config, usual),
        max_reply_bytes=config.max_reply_bytes,
        pool_size=pool.size,
        keep_alive_s=pool.keep_alive,
        dns_ttl_s=dns.ttl,
        dns_prefer=dns.prefer,
        proxy=_proxy(name, config, environ),
        auth_headers=FixedFields(_auth_fields(config.auth)),
        ssl=_context(name, config),
        server_hostname=config.tls.server_name if config.tls else None,
    )


def _context(name: str, config: Server) -> ReloadingContext | None:
    """Raises OSError for files that cannot be used."""
    tls = config.tls
    if tls is None:
        if not (config.url or "").lower().startswith("https:"):
            return None
        tls = ServerTls()  # the same floor, and one context: making one for each connection takes 20 ms
    ca, cert, key = (None if path is None else str(path) for path in (tls.ca, tls.cert, tls.key))
    try:
        return ReloadingContext(ca, cert, key, tls.min_version)
    except OSError as error:  # ssl's own message names no file
        files = ", ".join(filter(None, (ca, cert, key)))
        raise OSError(f"servers.{name}.tls: cannot use {files}: {error}") from error


def tool_rules(config: Server) -> tuple[ToolRule, ...]:
    """`servers.X.tools` in file order."""
    return tuple(ToolRule(glob, tool.op_class, tool.safe) for glob, tool in config.tools.items())


def way_of(config: Server) -> Way:
    """As records say how a server is reached."""
    if config.command:
        return Way("stdio", "env" if config.env else "none")
    if config.auth is not None:
        return Way("http", "headers" if config.auth.bearer is None else "bearer")
    return Way("http", "none" if config.tls is None or config.tls.cert is None else "certificate")


def _timeouts(said: outbound.Timeouts, usual: Timeouts) -> Timeouts:
    """What is not said is as usual."""
    parts = {
        f"{name}_s": value
        for name in ("connect", "tls", "first_byte", "idle", "total")
        if (value := getattr(said, name)) is not None
    }
    return msgspec.structs.replace(usual, **parts)


def _tool_timeouts(config: Server, usual: Timeouts) -> tuple[ToolTimeouts, ...]:
    """Nothing when no tool differs. An entry that says nothing keeps its place: the first match counts."""
    rules = tuple(
        ToolTimeouts(glob, None if tool.timeout is None else _timeouts(tool.timeout, usual))
        for glob, tool in config.tools.items()
    )
    return rules if any(rule.timeouts is not None for rule in rules) else ()


def _proxy(name: str, config: Server, environ: Mapping[str, str] | None) -> Proxy | None:
    said = config.proxy
    if said == "none" or config.url is None:
        return None
    if said == "env":
        address = parse_url(config.url)
        found = proxy_from(
            os.environ if environ is None else environ, tls=address.tls, host=address.host, port=address.port
        )
        if found is None:
            return None
        try:
            said = parse_proxy_url(found if "://" in found else f"http://{found}")
        except ValueError as error:
            raise ValueError(f"servers.{name}.proxy: in the environment: {error}") from None
    password = said.password.reveal() if said.password is not None else ""
    return Proxy.of(said.host, said.port, said.user, password)


def _auth_fields(auth: ServerAuth | None) -> Fields:
    if auth is None:
        return []
    if auth.bearer is not None:
        return [(b"authorization", b"Bearer " + auth.bearer.reveal().encode("ascii"))]
    named = auth.headers or {}
    return [(name.lower().encode("ascii"), value.reveal().encode("ascii")) for name, value in named.items()]
