"""Where an issuer says where its keys are (RFC 8414, OpenID Connect Discovery 1.0), and what may be believed
of it. Pure."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from doorward.model.errors import CallerError
from doorward.wire import strict

MAX_BYTES: Final = 64 * 1024
_OAUTH: Final = "/.well-known/oauth-authorization-server"
_OPENID: Final = "/.well-known/openid-configuration"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Metadata(msgspec.Struct, frozen=True):
    """The members that are used here."""

    jwks_uri: str | None
    introspection_endpoint: str | None


def locations(issuer: str) -> tuple[str, ...]:
    """Where its metadata may be, in the order in which MCP 2026-07-28 asks for it: RFC 8414 and OpenID
    Connect with the path behind the well-known part, then OpenID Connect's own way."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")

    def at(where: str) -> str:
        return urlunsplit((parts.scheme, parts.netloc, where, "", ""))

    if not path:
        return at(_OAUTH), at(_OPENID)
    return at(_OAUTH + path), at(_OPENID + path), at(path + _OPENID)


def may_be_asked(url: str) -> bool:
    """https, or this very machine: keys and secrets come from there."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.username is not None or not url.isascii() or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def read(document: bytes, issuer: str) -> Metadata:
    """Raises ValueError for what is no metadata of this very issuer (RFC 8414 section 3.3: the issuer in it
    is compared byte for byte)."""
    try:
        said = strict.decode(document)
    except CallerError as error:
        raise ValueError(f"the metadata is not strict JSON: {error.message}") from None
    if type(said) is not dict:
        raise ValueError("the metadata is no JSON object")
    if said.get("issuer") != issuer:
        raise ValueError("the metadata is that of another issuer")
    return Metadata(_url(said, "jwks_uri", issuer), _url(said, "introspection_endpoint", issuer))


def _url(said: dict[str, object], name: str, issuer: str) -> str | None:
    """An issuer that is asked over TLS cannot send us to somebody whom anybody can play."""
    url = said.get(name)
    if url is None:
        return None
    if type(url) is not str or not may_be_asked(url):
        raise ValueError(f"{name} of the metadata is no URL that may be asked")
    if issuer.startswith("https:") and not url.startswith("https:"):
        raise ValueError(f"{name} of the metadata is not https, as the issuer is")
    return url
