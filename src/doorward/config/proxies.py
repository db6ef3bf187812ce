"""`servers.X.proxy`: none, env, or the URL of an HTTP proxy, whose password is a secret."""

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from doorward.config.secret import Secret


@dataclass(frozen=True, slots=True)
class ProxyUrl:
    """An HTTP proxy: CONNECT for https (RFC 9110, 9.3.6), absolute-form for http (RFC 9112, 3.2.2)."""

    host: str
    port: int
    user: str | None = None
    password: Secret | None = None

    def __str__(self) -> str:
        """Without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


Proxy = ProxyUrl | str
"""A proxy, or one of the words `none` and `env`."""


def parse_proxy_url(text: str) -> ProxyUrl:
    """Raises ValueError, without the text: it may hold a password."""
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("a proxy's URL has visible ASCII characters only")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("expected a proxy such as http://proxy.example:3128") from None
    if parts.scheme == "https":
        raise ValueError("a proxy is spoken to in plain HTTP: write http://")
    if parts.scheme != "http" or not parts.hostname or port == 0:
        raise ValueError("expected a proxy such as http://proxy.example:3128")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("a proxy's URL ends with its port")
    user, password = parts.username, parts.password
    if user is not None and ":" in unquote(user):
        raise ValueError("a proxy's user cannot have a colon (RFC 7617 section 2)")
    return ProxyUrl(
        parts.hostname,
        port or 80,
        unquote(user) if user is not None else None,
        Secret(unquote(password or "")) if user is not None else None,
    )


def _proxy(value: object) -> Proxy:
    if isinstance(value, ProxyUrl):
        return value
    if not isinstance(value, str):
        raise ValueError("expected none, env, or a proxy such as http://proxy.example:3128")  # noqa: TRY004 - pydantic collects a ValueError and lets a TypeError through
    return value if value in ("none", "env") else parse_proxy_url(value)


ProxyText = Annotated[
    Any,
    PlainValidator(_proxy),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["none", "env", "http://proxy.example:3128"]}),
]
