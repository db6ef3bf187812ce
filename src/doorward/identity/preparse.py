"""What a token says, before anybody believes it: strict bytes in, header and claims out. Pure.

JWS compact serialization (RFC 7515 section 7.1) leaves to its readers what two readers may read differently:
repeated members, base64url with loose ends, numbers without end. Whoever checks the signature and whoever
uses the claims must have read the same, so everything of that kind is refused here, once, and before a
library sees it. So is every header that brings its own key, or asks for rules that we do not keep.
"""

import binascii
import re
from typing import Any, Final

import msgspec

from doorward.model.errors import CallerError
from doorward.wire import strict

MAX_TOKEN: Final = 8 * 1024
"""Characters of a token of any kind."""
MAX_HEADER: Final = 1024
"""Bytes of a header, decoded."""
MAX_DEPTH: Final = 8
"""Arrays and objects within each other, but for what stands in `act`, which nests by its nature."""
KID: Final = re.compile(r"(?=.{1,128}$)(?:[A-Za-z0-9._~-]+|[A-Za-z0-9+/_-]+)=*")
"""URL-safe text, or base64 as some issuers write it. It is looked up in a table and goes nowhere else."""
_TYP: Final = re.compile(r"[A-Za-z0-9!#$&^_.+/-]{1,64}")
_OPAQUE: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1, b64token

FORBIDDEN: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})
"""Header members that bring a key of their own, point to one, or change how the rest is to be read
(RFC 7515 section 4.1, RFC 7797, RFC 7516). `x5t` only names a certificate, and nothing here follows it."""
HEADERS: Final = frozenset({"alg", "kid", "typ", "cty", "x5t", "x5t#S256", *FORBIDDEN})
CLAIMS: Final = frozenset(
    {
        "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "azp", "appid", "cid", "scope", "scp",
        "act", "may_act", "cnf", "nonce", "at_hash", "c_hash", "sid", "tid", "oid", "acr", "amr", "auth_time",
        "groups", "roles", "entitlements", "typ", "active", "token_type", "idtyp", "gty",
    }
)  # fmt: skip
"""Names that somebody here reads: another spelling of one of them is not somebody else's claim."""

RENAMED: Final = {"Ed25519": "EdDSA"}
"""RFC 9864 gave an algorithm a name that says the curve; it is the same one."""

_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST: Final = {0: frozenset(_ALPHABET), 2: frozenset(_ALPHABET[::16]), 3: frozenset(_ALPHABET[::4])}
"""By length modulo four: what the last character may be when no bit hangs over (RFC 4648 section 3.5)."""


class Header(msgspec.Struct, frozen=True, gc=False):
    """Of a token that nobody has verified."""

    alg: str
    kid: str | None
    typ: str | None
    """In lower case: media types have no case (RFC 2045 section 5.1)."""


class Unverified(msgspec.Struct, frozen=True):
    """A token that was read and that nobody has verified."""

    header: Header
    claims: dict[str, Any]
    signed: bytes
    """The text that the signature is over (RFC 7515 section 5.2): the very one that was read."""
    signature: bytes


def is_opaque(token: str) -> bool:
    """Whether this can only be a token that its issuer knows the meaning of: it has not the two dots of a
    JWS, or does not begin as a JSON object does in base64url."""
    return token.count(".") != 2 or not token.startswith(("ey", "ew"))


def opaque(token: str) -> str:
    """A token as it may be sent to its issuer. Raises ValueError, whose text repeats nothing of it."""
    if len(token) > MAX_TOKEN or not _OPAQUE.fullmatch(token):
        raise ValueError("the token is too long, or has characters that no token has")
    return token


def read(token: str) -> Unverified:
    """Raises ValueError, whose text repeats nothing of the token."""
    if len(token) > MAX_TOKEN:
        raise ValueError(f"the token is longer than {MAX_TOKEN} characters")
    if not token.isascii():
        raise ValueError("the token has characters that no token has")
    parts = token.encode("ascii").split(b".")
    if len(parts) != 3:
        raise ValueError("the token has not three parts")
    first, second, third = parts
    if not third:
        raise ValueError("the token has no signature")
    if len(first) > MAX_HEADER * 4 // 3 + 3:
        raise ValueError(f"the header is longer than {MAX_HEADER} bytes")
    said = _object(decoded(first, "header"), "header")
    header = _header(said)
    payload, signature = decoded(second, "payload"), decoded(third, "signature")
    return Unverified(header, claims(payload), first + b"." + second, signature)


def claims(payload: bytes) -> dict[str, Any]:
    """The claims in a JSON text, of a token or of an issuer's answer about one. Raises ValueError."""
    found = _object(payload, "payload")
    _check_spelling(found, CLAIMS, "claim")
    return found


def decoded(text: bytes, what: str) -> bytes:
    """base64url without padding, blanks, line ends or bits that hang over (RFC 7515 section 2)."""
    last = _LAST.get(len(text) % 4)
    if last is None or not text or text[-1] not in last or text.translate(None, _ALPHABET):
        raise ValueError(f"the {what} is not base64url")
    return binascii.a2b_base64(text.translate(_TO_STANDARD) + b"=" * (-len(text) % 4))


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = strict.decode(data)
    except CallerError as error:
        raise ValueError(f"the {what} is not strict JSON: {error.message}") from None
    if type(value) is not dict:
        raise ValueError(f"the {what} is no JSON object")
    _check_members(value, what, MAX_DEPTH)
    return value


def _header(said: dict[str, Any]) -> Header:
    _check_spelling(said, HEADERS, "header member")
    if not FORBIDDEN.isdisjoint(said):
        raise ValueError("the header brings a key, points to one, or asks for rules that are not kept here")
    alg, kid, typ = said.get("alg"), said.get("kid"), said.get("typ")
    if type(alg) is not str or not 0 < len(alg) <= 16:
        raise ValueError("the header names no algorithm")
    if "kid" in said and (type(kid) is not str or not KID.fullmatch(kid)):
        raise ValueError("the header's kid is not one that a key here can have")
    if "typ" in said and (type(typ) is not str or not _TYP.fullmatch(typ)):
        raise ValueError("the header's typ is no media type")
    return Header(RENAMED.get(alg, alg), kid, typ.lower() if type(typ) is str else None)


def _check_members(value: Any, what: str, room: int) -> None:
    """No deeper than `room`, and no two members of an object whose names differ in case only: one reader may
    take either for the other. How long a chain of actors may be is for whoever reads it."""
    if not room:
        raise ValueError(f"the {what} is nested deeper than {MAX_DEPTH} levels")
    if type(value) is dict:
        if len({name.casefold() for name in value}) != len(value):
            raise ValueError(f"two members of the {what} differ in case only")
        for name, member in value.items():
            if type(member) is dict or type(member) is list:
                _check_members(member, what, room if name == "act" else room - 1)
    else:
        for member in value:
            if type(member) is dict or type(member) is list:
                _check_members(member, what, room - 1)


def _check_spelling(value: dict[str, Any], known: frozenset[str], what: str) -> None:
    folded = _FOLDED[known]
    for name in value:
        if name not in known and name.casefold() in folded:
            raise ValueError(f"a {what} is spelled like one that is known, but for its case")


_FOLDED: Final = {names: frozenset(name.casefold() for name in names) for names in (HEADERS, CLAIMS)}
