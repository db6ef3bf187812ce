"""What it takes to reach one server, as frozen values that the composition root fills in."""

import math
from collections.abc import Callable
from ssl import SSLContext

import msgspec

from doorward.upstream.names import Prefer
from doorward.upstream.proxy import Proxy
from doorward.upstream.timeouts import Timeouts, ToolTimeouts

Fields = list[tuple[bytes, bytes]]
"""HTTP header fields: name, value."""


class NoAuth(msgspec.Struct, frozen=True):
    """Nothing to present."""

    fields: Fields = []

    def __call__(self) -> Fields:
        return self.fields


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One configured server: exactly one of `url` and `command`. Seconds and bytes unless said otherwise.

    Equal settings share one running server across a reload, so the callables should compare by value.
    """

    name: str
    url: str | None = None
    command: tuple[str, ...] | None = None
    env: dict[str, str] = {}
    """Added to the allow-listed part of our own environment (stdio)."""
    cwd: str | None = None
    umask: int | None = None
    """File mode creation mask of the process; None: ours."""
    shared: bool = False
    """True: one stdio process serves every principal."""
    may_ask: tuple[str, ...] = ()
    """What it may ask of its clients: kinds of `wire.asking`."""
    auth_headers: Callable[[], Fields] = NoAuth()
    """Asked for each request, so that a rotated secret is used at once; the same list while unchanged."""
    ssl: Callable[[], SSLContext] | None = None
    """Asked for each new connection (tls.ReloadingContext); None: the system's defaults for https."""
    server_hostname: str | None = None
    """Name to ask for and to check when it is not the URL's host."""
    timeout_s: float = 60.0
    """From handing a call over to its last byte."""
    connect_s: float = 5.0
    tls_s: float = 5.0
    first_byte_s: float = math.inf
    idle_s: float = math.inf
    """This and those before it: see `timeouts.Timeouts`."""
    tool_timeouts: tuple[ToolTimeouts, ...] = ()
    """In the order of the file; the first that matches a tool counts."""
    probe_s: float = 5.0
    """How long an unknown server may take to answer the era probe."""
    probe_ttl_s: float = 900.0
    """A stale legacy verdict works forever and hides upgrades, so verdicts expire."""
    keep_alive_s: float = 4.0
    """Idle connections older than this are not used again: below the 5 s after which common servers close."""
    conversation_idle_s: float = 600.0
    max_conversations: int = 256
    """Legacy sessions, or stdio processes, at the same time."""
    max_reply_bytes: int = 16 * 1024 * 1024
    pool_size: int = 64
    dns_ttl_s: float = 30.0
    dns_prefer: Prefer = "system"
    proxy: Proxy | None = None
    """None: straight to the server, whatever the environment says."""
    max_pages: int = 200
    """Of one list."""
    restart_budget: int = 5
    """Restarts of one stdio process within `restart_window_s`; then none until the window passes."""
    restart_window_s: float = 60.0
    unanswered: int = 3
    """Calls in a row that a silent stdio process may leave unanswered before it is ended; 0: any number."""
    stop_s: float = 5.0
    """How long a stdio process may take to end by itself, from closing its stdin to SIGKILL."""

    @property
    def timeouts(self) -> Timeouts:
        """The server's own, for all that no entry of `tool_timeouts` names."""
        return Timeouts(
            connect_s=self.connect_s,
            tls_s=self.tls_s,
            first_byte_s=self.first_byte_s,
            idle_s=self.idle_s,
            total_s=self.timeout_s,
        )


class ServerState(msgspec.Struct, frozen=True):
    """What `/readyz` and `status` say of a server."""

    name: str
    level: str
    """"up", "down" or "starting"."""
    cause: str | None
    """Why it is down, in words that a caller may read as well."""
    era: str | None
    version: str | None
    since: float
    """Unix time of the last change of `level`."""
    transport: str | None = None
    """"http", "sse" (HTTP+SSE of 2024-11-05) or "stdio"."""
    note: str | None = None
    """What an operator should know of although it keeps no call from being served."""
    details: str | None = None
    """For an operator only, since they may hold anything: the end of a local server's stderr, the challenge
    of a remote one."""
