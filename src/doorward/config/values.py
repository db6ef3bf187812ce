"""Types of single values: how each is written, what it becomes, and what its JSON Schema says.

Messages never repeat the value: the source line beside them shows it as it is written, references unresolved.
"""

import ipaddress
import math
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from doorward.config import globs
from doorward.config.secret import Secret

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TERM: Final = re.compile(r"([1-9][0-9]{0,4})([dwy])", re.ASCII)
_DAYS: Final = {"d": 1, "w": 7, "y": 366}
_HOST_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_INT64: Final = 1 << 63
LONGEST_SOCKET: Final = 103 if sys.platform == "darwin" else 107
"""Bytes of an absolute path: `sun_path` of unix(7), which ends with a zero byte."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a listener binds: `path` of a Unix socket, or `host` and `port` (0 lets the system choose)."""

    host: str | None = None
    port: int | None = None
    path: Path | None = None

    @property
    def loopback(self) -> bool:
        """True when only this machine can reach it."""
        return self.path is not None or is_loopback(self.host or "")

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in (self.host or "") else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine. A name other than localhost does not count."""
    if host.rstrip(".").lower() in {"localhost", "localhost.localdomain"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_duration(text: object) -> float:
    """Seconds of `20s`, `500ms`, `5m`, `1h`, `90d`. Raises ValueError."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("expected a duration such as 20s, 500ms, 5m, 1h or 90d")
    return float(found[1]) * _SECONDS[found[2]]


def parse_term(text: object) -> float:
    """Seconds of `400d`, `8w` or `7y`; infinity of `forever`. A year has 366 days, so that none is too short.

    Raises ValueError.
    """
    if text == "forever":
        return math.inf
    found = _TERM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("expected a time such as 400d, 8w or 7y, a day at least, or forever")
    return float(found[1]) * _DAYS[found[2]] * 86400.0


def parse_listen(value: object, base: Path | None = None) -> Listen:
    """`host:port`, `[v6]:port` or `unix:path`. Raises ValueError."""
    if isinstance(value, Listen):
        return value
    value = _text(value, 'expected "host:port" or "unix:path"')
    if value.startswith("unix:"):
        if not value[5:]:
            raise ValueError("unix: needs a path")
        path = _resolved(value[5:], base)
        if (size := len(os.fsencode(path))) > LONGEST_SOCKET:
            raise ValueError(
                f"a Unix socket's path has at most {LONGEST_SOCKET} bytes, and this has {size} from / on"
            )
        return Listen(path=path)
    host, colon, port = value.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = _v6(host[1:-1])
    elif ":" in host:
        raise ValueError("put an IPv6 address into brackets: [::1]:7420")
    elif not colon or not _HOST_NAME.fullmatch(host):
        raise ValueError('expected "host:port", such as 127.0.0.1:7420, or "unix:path"')
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("the port must be a number from 0 to 65535")
    return Listen(host=host, port=int(port))


def _text(value: object, expected: str) -> str:
    if not isinstance(value, str):
        raise ValueError(expected)  # noqa: TRY004 - pydantic collects a ValueError and lets a TypeError through
    return value


def _v6(host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise ValueError("expected an IPv6 address in the brackets") from None


def split_url(url: str) -> SplitResult:
    """An http or https URL with a host, without user, fragment or control characters. Raises ValueError."""
    if _CONTROL.search(url) or " " in url:
        raise ValueError("a URL has no spaces and no control characters")
    if not url.isascii():
        raise ValueError("a URL has ASCII characters only: percent-encode a path, write a host as xn--...")
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError("expected a URL such as https://mcp.example.com/mcp") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine:
        raise ValueError("expected a URL such as https://mcp.example.com/mcp")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL must not carry a user or password; use auth")
    if parts.fragment or url.endswith("#"):
        raise ValueError("a URL here has no #fragment")
    return parts


def _url(url: str) -> str:
    split_url(url)
    return url


def _public_url(url: str) -> str:
    parts = split_url(url)
    if parts.query or "?" in url:
        raise ValueError("the public URL has no query")
    return url.rstrip("/")


def _origin(origin: str) -> str:
    if "*" in origin:
        raise ValueError("name each origin: * would let every web page in")
    parts = split_url(origin)
    if parts.path or parts.query or "?" in origin:
        raise ValueError("an origin is scheme://host or scheme://host:port, nothing after it")
    return origin.lower()


def _resolved(path: str, base: Path | None) -> Path:
    if not path or "\x00" in path:
        raise ValueError("expected a path")
    expanded = Path(path).expanduser() if path.startswith("~/") else Path(path)
    return base / expanded if base is not None else expanded


def _path(value: object, info: ValidationInfo) -> Path:
    return _resolved(_text(str(value) if isinstance(value, Path) else value, "expected a path"), _base(info))


def _base(info: ValidationInfo) -> Path | None:
    base = (info.context or {}).get("base")
    return base if isinstance(base, Path) else None


def _glob(pattern: str) -> str:
    return globs.check(pattern)


def _uri_glob(pattern: str) -> str:
    return globs.check(pattern, uri=True)


def _scalar(value: object) -> str | int | float | bool:
    if isinstance(value, bool | str | float):
        return value
    if isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise ValueError("a whole number must fit into 64 bits")
        return value
    raise ValueError("expected text, a number, or true or false")


def _bound(value: object) -> int | float:
    number = _scalar(value)
    match number:
        case bool() | str():
            raise ValueError("expected a number")
        case _:
            return number


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a NUL character cannot be passed to a process")
    return text


def _header_value(secret: Secret) -> Secret:
    text = secret.reveal()
    if not text:
        raise ValueError("expected a value, this is empty")
    if text != text.strip() or any(not " " <= char <= "~" and char != "\t" for char in text):
        raise ValueError("a header value has visible ASCII characters only (RFC 9110 section 5.5)")
    return secret


def _listen(value: Any, info: ValidationInfo) -> Listen:
    return parse_listen(value, _base(info))


def _different(listeners: tuple[Listen, ...]) -> tuple[Listen, ...]:
    for listen in listeners:
        if listen.port != 0 and listeners.count(listen) > 1:
            raise ValueError("an address is here twice")
    return listeners


def _one(value: object) -> object:
    if type(value) is not int or value != 1:
        raise ValueError("expected 1")
    return value


def _yes(value: object) -> object:
    if value is not True:
        raise ValueError("expected true")
    return value


def _network(value: str) -> str:
    if value == "unix":
        return value
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError('expected an address, a network such as 10.0.0.0/8, or "unix"') from None
    if network.prefixlen == 0:
        raise ValueError("this is every address: name the proxies")
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError("write an IPv4 network as IPv4")
    if str(network) != value and str(network.network_address) != value.lower():
        raise ValueError(f'write this network as "{network}"')
    return str(network)


# A Literal compares by ==, and in Python 1 == True == 1.0.
One = Annotated[Literal[1], BeforeValidator(_one)]
Yes = Annotated[Literal[True], BeforeValidator(_yes)]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$", "examples": ["20s"]}),
]
Term = Annotated[
    float,
    BeforeValidator(parse_term),
    WithJsonSchema(
        {"type": "string", "pattern": "^([1-9][0-9]{0,4}(d|w|y)|forever)$", "examples": ["400d", "7y"]}
    ),
]
"""Seconds that records are kept."""
ListenAddress = Annotated[
    Listen,
    PlainValidator(_listen),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:7420"]}),
]
Listeners = Annotated[
    tuple[ListenAddress, ...],
    BeforeValidator(lambda value: value if isinstance(value, list | tuple) else [value]),
    AfterValidator(_different),
    PlainSerializer(lambda listeners: str(listeners[0]) if len(listeners) == 1 else [*map(str, listeners)]),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 16},
            ],
            "examples": ["127.0.0.1:7420", ["127.0.0.1:7420", "unix:run/doorward.sock"]],
        }
    ),
]
"""One address, or a list of them."""
FilePath = Annotated[Path, PlainValidator(_path), WithJsonSchema({"type": "string", "minLength": 1})]
Url = Annotated[str, AfterValidator(_url), Field(json_schema_extra={"format": "uri"})]
PublicUrl = Annotated[str, AfterValidator(_public_url), Field(json_schema_extra={"format": "uri"})]
Origin = Annotated[str, AfterValidator(_origin)]
Network = Annotated[str, AfterValidator(_network)]
GlobText = Annotated[str, AfterValidator(_glob)]
UriGlobText = Annotated[str, AfterValidator(_uri_glob)]
Word = Annotated[str, AfterValidator(_no_nul)]
HeaderValue = Annotated[Secret, AfterValidator(_header_value)]
ScalarText = Annotated[
    str | int | float | bool,
    PlainValidator(_scalar),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Bound = Annotated[int | float, PlainValidator(_bound), WithJsonSchema({"type": "number"})]
