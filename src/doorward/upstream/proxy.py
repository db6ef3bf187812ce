"""HTTP proxies on the way to a server: which one, and how a tunnel through it is asked for.

CONNECT: RFC 9110 section 9.3.6. `no_proxy` has no standard; what curl, Go and Python agree on is honoured.
"""

import asyncio
import base64
import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import Final

import msgspec

MAX_ANSWER: Final = 16 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([2-5][0-9]{2})(?: [^\r\n]*)?\r\n")


class Proxy(msgspec.Struct, frozen=True):
    """Spoken to in plain HTTP."""

    host: str
    port: int
    authorization: bytes = b""
    """Value of Proxy-Authorization; b"" for none."""

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"

    @classmethod
    def of(cls, host: str, port: int, user: str | None, password: str) -> "Proxy":
        """With Basic credentials when there is a user (RFC 7617)."""
        if user is None:
            return cls(host, port)
        pair = base64.b64encode(f"{user}:{password}".encode())
        return cls(host, port, b"Basic " + pair)


class TunnelRefused(Exception):
    """The proxy did not open the tunnel; the text continues "the proxy ..."."""


async def ask_tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Turns a connection to the proxy into one to the server. Raises TunnelRefused, OSError.

    The server's credentials are for the server: none of them is sent here.
    """
    loop = asyncio.get_running_loop()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", "User-Agent: doorward"]
    request = "\r\n".join(lines).encode("ascii") + b"\r\n"
    if proxy.authorization:
        request += b"Proxy-Authorization: " + proxy.authorization + b"\r\n"
    await loop.sock_sendall(sock, request + b"\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        if len(answer) > MAX_ANSWER:
            raise TunnelRefused("answered CONNECT with a head that is too large")
        data = await loop.sock_recv(sock, 4096)
        if not data:
            raise TunnelRefused("closed the connection instead of opening a tunnel")
        answer += data
    _judge(answer)


def _judge(answer: bytes) -> None:
    status = _STATUS.match(answer)
    if status is None:
        raise TunnelRefused("answered CONNECT with what is not HTTP")
    if status[1] == b"407":
        raise TunnelRefused("did not accept our credentials (HTTP 407)")
    if not status[1].startswith(b"2"):
        raise TunnelRefused(f"answered CONNECT with HTTP {status[1].decode()}")
    if not answer.endswith(b"\r\n\r\n") or answer.count(b"\r\n\r\n") > 1:
        raise TunnelRefused("sent bytes that the server cannot have sent")  # in TLS we speak first


def proxy_from(environ: Mapping[str, str], *, tls: bool, host: str, port: int) -> str | None:
    """The proxy's URL that the environment names for a server; None to go straight. Loopback always does."""
    if _is_loopback(host) or bypasses(_variable(environ, "no_proxy"), host, port):
        return None
    scheme = "https_proxy" if tls else "http_proxy"
    return _variable(environ, scheme) or _variable(environ, "all_proxy") or None


def bypasses(no_proxy: str, host: str, port: int) -> bool:
    """Whether an entry names it: `*`, a name and all below it, an address, a network; perhaps a port."""
    address = _address(host)
    for entry in re.split(r"[\s,]+", no_proxy.lower()):
        if entry == "*":
            return True
        name, entry_port = _split_port(entry)
        if not name or (entry_port is not None and entry_port != port):
            continue
        if address is not None:
            if _covers(name, address):
                return True
            continue
        suffix = name.removeprefix("*").strip(".")
        if suffix and (host.lower().rstrip(".") == suffix or host.lower().rstrip(".").endswith("." + suffix)):
            return True
    return False


def _split_port(entry: str) -> tuple[str, int | None]:
    """`host:port`, `[v6]:port`; an address of IPv6 without brackets has colons of its own."""
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.endswith("]")):
        return name.strip("[]"), int(port)
    return entry.strip("[]"), None


def _covers(name: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def _variable(environ: Mapping[str, str], name: str) -> str:
    """The lower-case form counts first, as in curl."""
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address is not None else host.lower().rstrip(".") == "localhost"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
