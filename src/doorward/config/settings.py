"""What `doorward.yaml` may say, as frozen models. Descriptions become the JSON Schema for editors.

The models judge each value by itself. What concerns several values at once (exactly one of `url` and
`command`, references between sections, what a public listener needs) is judged in `check.py`, so that both
kinds of problem are reported together: take settings from `load.py`, which runs both, not from a model alone.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from doorward.config.admin import Admin, AdminPlane
from doorward.config.audit import Audit, ServerAudit
from doorward.config.grants import CONDITION, Granted
from doorward.config.identity import Auth, Issuer, Match, Person, ScopeText
from doorward.config.local import Processes
from doorward.config.model import STRICT, one_of
from doorward.config.outbound import Dns, Pool, Timeout, Timeouts
from doorward.config.proxies import ProxyText
from doorward.config.rates import RateText
from doorward.config.secret import Secret
from doorward.config.sessions import Sessions
from doorward.config.tls import GatewayTls
from doorward.config.values import (
    Duration,
    FilePath,
    GlobText,
    HeaderValue,
    Listen,
    Listeners,
    Network,
    One,
    Origin,
    PublicUrl,
    Url,
    Word,
)
from doorward.model.target import OperationClass
from doorward.model.verdict import Mode

# Ours to set on every request to a server: an operator's value would break the protocol or the framing.
_RESERVED_HEADERS: Final = re.compile(
    "accept|accept-encoding|connection|content-.*|cookie|expect|forwarded|host|keep-alive|last-event-id|mcp-.*"
    "|origin|proxy-.*|te|trailer|transfer-encoding|upgrade"
)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2


class _Strict(BaseModel):
    model_config = STRICT


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("this is no header name")
    if _RESERVED_HEADERS.fullmatch(name.lower()):
        raise ValueError("Doorward sets this header itself")
    return name


_SERVER_NAME: Final = r"^[a-z0-9-]{1,16}$"
_AGENT_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_TEAM_NAME: Final = r"^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,63})$"
_VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"

ServerName = Annotated[str, StringConstraints(pattern=_SERVER_NAME)]
AgentName = Annotated[str, StringConstraints(pattern=_AGENT_NAME)]
TeamName = Annotated[str, StringConstraints(pattern=_TEAM_NAME)]
VariableName = Annotated[str, StringConstraints(pattern=_VARIABLE)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
Scopes = Annotated[tuple[ScopeText, ...], Field(strict=False, min_length=1)]

NAME_RULES: Final = {
    _SERVER_NAME: "a server's name has 1 to 16 lower-case letters, digits and hyphens",
    _AGENT_NAME: "an agent's name has up to 64 letters, digits, dots, hyphens and underscores",
    _TEAM_NAME: "a team's name has up to 64 letters, digits, dots, hyphens and underscores",
    _VARIABLE: "this cannot be the name of an environment variable",
    CONDITION: "a condition is keyed arguments.NAME, with the name of a top-level argument",
}
"""What a pattern above asks for, in words."""


class Connections(_Strict):
    """How many connections from agents there may be at once. Who comes later is answered 503."""

    total: int = Field(4096, ge=1, le=1_000_000)
    """Of all agents together. Fewer where the system allows this process fewer open files."""
    per_client: int = Field(1024, ge=1, le=1_000_000)
    """Of one IPv4 address or IPv6 /64, that of the client behind a trusted proxy; not for Unix sockets."""


class Gateway(_Strict):
    """How agents reach Doorward, and where it keeps its state."""

    listen: Listeners = Field((Listen("127.0.0.1", 7420),), strict=False, min_length=1, max_length=16)
    """host:port, [v6]:port or unix:path, for agents, or a list of them; our own commands use the first.
    Anything but loopback needs auth and public_url."""
    tls: GatewayTls | None = None
    """TLS on every host:port of listen. Default: plain HTTP. A Unix socket never has it."""
    state: FilePath = Field(Path(".doorward"), validate_default=True)
    """Directory for the database, the audit log and the lock file; relative to this file."""
    secrets: FilePath | None = None
    """Key ring file (mode 0600). Default: a file in the state directory."""
    public_url: PublicUrl | None = None
    """The URL by which agents reach this gateway. Required with a non-loopback listener."""
    allowed_origins: tuple[Origin, ...] = Field((), strict=False)
    """Web origins whose pages may call the gateway (CORS). Default: none."""
    trusted_proxies: tuple[Network, ...] = Field((), strict=False)
    """Addresses or networks of proxies (unix for a Unix socket) whose X-Forwarded-For, X-Forwarded-Proto and
    Forwarded count. From anybody else they are ignored. Default: none."""
    proxy_protocol: tuple[Network, ...] = Field((), strict=False)
    """Addresses or networks of proxies (unix for a Unix socket) that send a PROXY protocol header, version 2,
    and have to. From anybody else it is refused. Default: none."""
    connections: Connections = Connections()
    """How many connections there may be."""
    sessions: Sessions = Sessions()
    """How long sessions of legacy clients are kept, and how many."""
    drain: Duration = 10.0
    """How long calls in flight may take to finish when the gateway stops."""
    admin: AdminPlane = Admin()
    """The listener for operators and our own commands, on this machine: {listen}, or false for none."""
    list_page: int = Field(0, ge=0, le=100_000)
    """How many items one page of a list holds, for clients that ask for the next. Default: 0, all on one."""


class ServerAuth(_Strict):
    """What the gateway presents to a server: exactly one of the two."""

    model_config = ConfigDict(json_schema_extra=one_of("bearer", "headers"))

    bearer: HeaderValue | None = None
    """Token for `Authorization: Bearer`. Write ${env:NAME} or ${file:PATH}, not the token."""
    headers: dict[HeaderName, HeaderValue] | None = None
    """Header fields with their values."""


class ServerTls(_Strict):
    """TLS towards a server. Host names are always checked."""

    ca: FilePath | None = None
    """PEM file with the authorities to trust. Default: the system's."""
    cert: FilePath | None = None
    """PEM file with our client certificate; needs key."""
    key: FilePath | None = None
    """PEM file with the key of cert."""
    server_name: str | None = None
    """Name to ask for and to check, when it is not the URL's host."""
    min_version: Literal["1.2", "1.3"] = "1.3"
    """Oldest TLS version accepted."""


class Tool(_Strict):
    """What the operator knows about some tools of a server."""

    op_class: OperationClass | None = Field(None, alias="class", strict=False)
    """What a call may do: read, write, destructive or external. It overrules the tool's own annotations."""
    safe: tuple[str, ...] = Field((), strict=False)
    """Arguments whose values may stand in the audit log."""
    timeout: Timeout | None = None
    """How long one call of them may take, where that differs from the server."""


class Server(_Strict):
    """One MCP server behind the gateway: exactly one of url and command."""

    model_config = ConfigDict(json_schema_extra=one_of("url", "command"))

    url: Url | None = Field(None, repr=False)
    """Endpoint of a remote server (Streamable HTTP or SSE)."""
    command: tuple[Word, ...] | None = Field(None, strict=False, min_length=1, repr=False)
    """Program and arguments of a local server, spoken to over stdio. No shell is involved."""
    env: dict[VariableName, Secret] = {}
    """Environment of the local server, beyond a small safe set (HOME, LANG, PATH, TZ and the like)."""
    cwd: FilePath | None = None
    """Working directory of the local server. Default: the directory of this file."""
    timeout: Timeout = Timeouts()
    """How long one call may take: a duration, or {connect, tls, first_byte, idle, total}. Default: 60s."""
    max_reply_bytes: int = Field(16 * 1024 * 1024, gt=0, le=1 << 30)
    """How large an answer, or one event of a stream, may be. Default: 16777216 (16 MiB)."""
    shared: bool = False
    """One process for all callers instead of one for each principal."""
    may_ask: tuple[Literal["elicitation", "sampling", "roots"], ...] = Field((), strict=False)
    """What the server may ask of clients that can answer: elicitation, sampling, roots. Default: nothing."""
    processes: Processes | None = None
    """How the processes of a local server are run: how many, for how long, how often they are restarted."""
    auth: ServerAuth | None = None
    """Credential for a remote server."""
    tls: ServerTls | None = None
    """TLS settings for a remote server."""
    pool: Pool | None = None
    """Connections to a remote server that are kept for further calls."""
    dns: Dns | None = None
    """How the name of a remote server becomes an address."""
    proxy: ProxyText = "none"
    """none, env (https_proxy, http_proxy, all_proxy and no_proxy of our environment), or http://host:port."""
    insecure: bool = False
    """Allow plain http to another machine. `doorward status` names such servers."""
    mode: Mode | None = Field(None, strict=False)
    """enforce or audit, for this server; default: the global mode."""
    audit: ServerAudit | None = None
    """How calls to this server are recorded."""
    tools: dict[GlobText, Tool] = {}
    """Tools by glob (only * is special). When several globs match a tool, the first one counts."""
    scopes: dict[GlobText, Scopes] = {}
    """Scopes that a token needs, by glob over tools: those of all globs that match. Those of * are needed for
    resources and prompts, too."""


class Agent(Granted):
    """One kind of caller and its grants. The first grant may stand here directly; grants add up."""

    see_rules: bool = False
    """Whether a denial tells the agent the rule and its file:line."""
    match: tuple[Match, ...] = Field((), strict=False)
    """Tokens and client certificates that are this agent: any of these. Keys name their agent themselves."""
    team: TeamName | None = None
    """Whose agent it is: who will pay for it."""
    rate: RateText | None = None
    """How often all its callers together may call servers, such as 100/min: that many at once, and as many
    again in every such time. Units are s, min, h and d. Default: no limit."""


class Settings(_Strict):
    """A whole doorward.yaml."""

    version: One
    """Version of this format."""
    mode: Mode = Field(Mode.ENFORCE, strict=False)
    """enforce: policy denials deny. audit: they are only recorded. Authentication is never softened."""
    gateway: Gateway = Gateway()
    """How agents reach Doorward, and where it keeps its state."""
    audit: Audit = Audit()
    """How the audit log is kept."""
    auth: Annotated[
        Annotated[Literal["none"], Tag("none")] | Annotated[Auth, Tag("(known)")],
        Discriminator(lambda value: "none" if isinstance(value, str) else "(known)"),
    ] = Auth(keys=True)
    """How callers are known: {keys: true} and more, or none (direct loopback and stdio callers only)."""
    servers: dict[ServerName, Server] = {}
    """MCP servers by name: up to 16 lower-case letters, digits and hyphens."""
    agents: dict[AgentName, Agent] = {}
    """Callers by name, with what they may do. Who is not granted something may not do it."""
    people: tuple[Person, ...] = Field((), strict=False)
    """What agents may do for which people. A human without an entry may have nothing called."""

    def mode_of(self, server: str) -> Mode:
        """The mode in force for a configured server."""
        return self.servers[server].mode or self.mode

    @property
    def requires_key(self) -> bool:
        """False only with `auth: none`."""
        return self.auth != "none"

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Whose tokens are accepted."""
        return self.auth.issuers if isinstance(self.auth, Auth) else ()
