"""Who is behind a trusted proxy: X-Forwarded-For, or Forwarded (RFC 7239). No I/O.

Each proxy appends the address that it saw, so a list is read from its right end: the first hop that is no
trusted proxy is the client, and what stands left of it is only what that client claims.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from doorward.edge.peers import Networks, canonical
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

MOST_HOPS: Final = 32
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = r'"((?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*)"'
_PAIR: Final = re.compile(rf"[ \t]*({_WORD})=(?:({_WORD})|{_QUOTED})[ \t]*([,;]|)")
"""A parameter and what ends it: `;` before another one, `,` before another hop, nothing at the end."""
_ESCAPED: Final = re.compile(r"\\(.)")
_NODE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::\d{1,5})?")
"""An address with or without a port; IPv6 in brackets."""
_SPACE: Final = " \t"


class Hop(msgspec.Struct, frozen=True):
    """What one proxy said of the peer that it saw."""

    address: str | None
    """Canonical; None for `unknown`, an obfuscated name (RFC 7239 section 6.3) or rubbish."""
    clear: bool = False
    """Whether it says that the request came over plain http."""


class Proxies:
    """The proxies of one configuration: whose word about their clients counts."""

    def __init__(self, trusted: Networks, *, https: bool = False) -> None:
        """`https`: agents are told an https URL, so what reached a proxy in the clear is refused."""
        self.trusted = trusted
        self._https = https

    def client(self, origin: str, headers: Mapping[bytes, bytes]) -> str:
        """The address that a request of peer `origin` counts for: the origin itself unless it is trusted.

        A hop that is named by no address is stood for by the proxy that saw it. Raises
        CallerError(FORWARDED_INVALID | TRANSPORT_INSECURE).
        """
        if origin not in self.trusted:
            return origin
        by_list = _x_forwarded_for(headers.get(b"x-forwarded-for"))
        by_rfc = _forwarded(headers.get(b"forwarded"))
        if self._https:
            said = headers.get(b"x-forwarded-proto", b"").lower().split(b",")
            if any(proto.strip() == b"http" for proto in said) or any(hop.clear for hop in by_rfc or ()):
                raise CallerError(Reason.TRANSPORT_INSECURE, "this request came over plain http")
        clients = {self._behind(origin, hops) for hops in (by_list, by_rfc) if hops is not None}
        if len(clients) > 1:
            # A proxy that writes one of the two and passes the other on lets its clients choose who they are.
            raise _invalid("X-Forwarded-For and Forwarded name different clients")
        return clients.pop() if clients else origin

    def _behind(self, origin: str, hops: list[Hop]) -> str:
        peer = origin
        for hop in reversed(hops):
            if hop.address is None:
                break
            peer = hop.address
            if peer not in self.trusted:
                break
        return peer


def _x_forwarded_for(field: bytes | None) -> list[Hop] | None:
    if field is None:
        return None
    hops = field.decode("latin-1").split(",")
    if len(hops) > MOST_HOPS:
        raise _invalid(f"X-Forwarded-For names more than {MOST_HOPS} hops")
    return [Hop(_address(hop.strip(_SPACE), bare=True)) for hop in hops]


def _forwarded(field: bytes | None) -> list[Hop] | None:
    """RFC 7239 section 4. A quote that a client left open would swallow what its proxy wrote, so a field that
    is not well-formed as a whole is refused."""
    if field is None:
        return None
    hops: list[Hop] = []
    for element in _elements(field.decode("latin-1")):
        if len(hops) == MOST_HOPS:
            raise _invalid(f"Forwarded names more than {MOST_HOPS} hops")
        clear = element.get("proto", "").lower() == "http"
        hops.append(Hop(_address(element.get("for", ""), bare=False), clear))
    return hops


def _elements(text: str) -> Iterator[dict[str, str]]:
    """The parameters of each hop, names in lower case."""
    element: dict[str, str] = {}
    at = 0
    while True:
        pair = _PAIR.match(text, at)
        if pair is None or pair[1].lower() in element:
            raise _invalid("Forwarded is malformed")
        element[pair[1].lower()] = pair[2] if pair[3] is None else _ESCAPED.sub(r"\1", pair[3])
        end = pair[4]
        at = pair.end()
        if end != ";":
            yield element
            element = {}
        if end == "":
            if at < len(text):
                raise _invalid("Forwarded is malformed")
            return


def _address(node: str, *, bare: bool) -> str | None:
    """`bare`: whether IPv6 may stand without brackets, as X-Forwarded-For has it."""
    found = _NODE.fullmatch(node)
    if found is not None:
        return canonical(found[1] or found[2])
    return canonical(node) if bare and "%" not in node else None


def _invalid(message: str) -> CallerError:
    return CallerError(Reason.FORWARDED_INVALID, message)
