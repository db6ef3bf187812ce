"""What a configuration says of the HTTP face, in the words of `edge/`."""

from urllib.parse import urlsplit

from doorward.app.descriptors import room
from doorward.app.resource import discovery
from doorward.config.settings import Settings
from doorward.edge.forwarded import Proxies
from doorward.edge.guard import Guard
from doorward.edge.h1 import H1Server
from doorward.edge.limits import HttpLimits
from doorward.edge.peers import Networks
from doorward.edge.plane import DataPlane, PlaneSettings


def serving(plane: DataPlane, limits: HttpLimits, settings: Settings) -> H1Server:
    """The server that hands its requests to `plane`."""
    http = H1Server(
        plane.handle,
        limits,
        screen=plane.screen,
        quiet=plane.quiet,
        proxy_protocol=Networks(settings.gateway.proxy_protocol),
    )
    http.trust(plane.settings.proxies.trusted)
    return http


def http_limits(settings: Settings) -> HttpLimits:
    """Of a configuration, as far as this process may open files."""
    wanted = settings.gateway.connections
    return HttpLimits(connections=room(wanted.total), connections_per_ip=wanted.per_client)


def prefaced(settings: Settings) -> bool:
    """Whether our own commands have to introduce themselves as a proxy on this machine has to."""
    listen = settings.gateway.listen[0]
    ours = ("unix",) if listen.path is not None else ("127.0.0.1", "::1", listen.host or "")
    networks = Networks(settings.gateway.proxy_protocol)
    return any(each in networks for each in ours)


def plane_settings(settings: Settings) -> PlaneSettings:
    """The parts of a configuration that the HTTP face uses."""
    hosts = _hosts(settings.gateway.public_url)
    return PlaneSettings(
        endpoints={"/mcp": None, **{f"/mcp/{name}": name for name in settings.servers}},
        guard=Guard(hosts=hosts, origins=frozenset(settings.gateway.allowed_origins)),
        proxies=Proxies(
            Networks(settings.gateway.trusted_proxies),
            https=(settings.gateway.public_url or "").startswith("https:"),
        ),
        discovery=discovery(settings),
    )


def _hosts(public_url: str | None) -> frozenset[str]:
    """As a Host field writes them: an IPv6 address stands in brackets (RFC 3986 section 3.2.2)."""
    host = urlsplit(public_url).hostname if public_url else None
    if not host:
        return frozenset()
    return frozenset({f"[{host}]" if ":" in host else host})
