"""Where a server listens, taken from its URL."""

from urllib.parse import urlsplit

import msgspec


class Address(msgspec.Struct, frozen=True):
    """An endpoint over HTTP."""

    tls: bool
    host: str
    port: int
    authority: bytes
    """For the Host field."""
    target: bytes
    """Path and query, for the request line."""


def parse_url(url: str) -> Address:
    """Raises ValueError for anything but an absolute http(s) URL without user name and fragment."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a server's url must be an absolute http or https URL")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("a server's url must have neither user name nor fragment")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("a server's url must be percent-encoded")
    tls = parts.scheme == "https"
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    authority = name if parts.port is None else f"{name}:{parts.port}"
    return Address(
        tls, parts.hostname, parts.port or (443 if tls else 80), authority.encode(), target.encode()
    )
