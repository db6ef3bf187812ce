"""Fuzz targets of `doorward.identity`: what a token or a key set says is read in one way only, or refused
with the one promised error."""

import base64
import binascii
import json
from typing import Any

from doorward.identity import keyset, preparse
from tests.fuzz.engine import Target
from tests.fuzz.fuzz_wire import Refused, second_opinion
from tests.support.tokens import Mint, b64


def fuzz_token(data: bytes) -> None:
    """Anything as a token: as it came, and as the payload and the header of one that is well-formed."""
    text = data.decode("latin-1")
    _read(text)
    signature = b64(b"s" * 64)
    _read(".".join((b64(HEADER), b64(data), signature)))
    _read(".".join((b64(data), b64(b"{}"), signature)))


def _read(token: str) -> None:
    try:
        found = preparse.read(token)
    except (UnicodeError, binascii.Error) as error:  # they are of its kind, and show that nobody looked
        raise AssertionError("not the promised error") from error
    except ValueError:
        return
    first, second, third = token.split(".")
    assert found.signed == f"{first}.{second}".encode()
    assert found.signature == _decoded(third)
    assert found.claims == _object(_decoded(second))
    header = _object(_decoded(first))
    assert preparse.FORBIDDEN.isdisjoint(header)
    assert header["alg"] == found.header.alg or header["alg"] in preparse.RENAMED
    assert header.get("kid") == found.header.kid


def _decoded(part: str) -> bytes:
    """By another decoder, which allows more; what was read has to come out of it spelled as it came in."""
    value = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    assert b64(value) == part
    return value


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = second_opinion(data)
    except Refused:
        raise AssertionError("read what another strict reader refuses") from None
    assert isinstance(value, dict)
    folded = [name.casefold() for name in value]
    assert len(set(folded)) == len(folded)
    return value


def fuzz_keys(data: bytes) -> None:
    """Anything as a key set: what is used of it is public, and of the kinds and sizes that are promised."""
    try:
        found = keyset.read(data)
    except (UnicodeError, binascii.Error) as error:
        raise AssertionError("not the promised error") from error
    except ValueError:
        return
    entries = second_opinion(data)["keys"]
    assert len(found.all()) + len(found.passed_over) == len(entries)
    for key in found.all():
        assert key.algorithms
        assert key.algorithms <= set(keyset.ALGORITHMS)
        assert not key.key.is_private
        assert key.kid is None or preparse.KID.fullmatch(key.kid)


MINT = Mint("https://id.example.com", "https://gw.example.com/mcp")
HEADER = b'{"alg":"ES256","kid":"k-ec","typ":"at+jwt"}'
CLAIMS = b'{"iss":"https://id.example.com","sub":"anna","aud":["a","b"],"exp":1795000000,"act":{"sub":"x"}}'
KEYS = json.dumps(MINT.public()).encode()
WORDS = (
    b'"', b'":', b"{", b"}", b"[", b"]", b",", b".", b"=", b"+", b"/", b"_", b"eyJ", b'"alg":"none"',
    b'"jwk":{}', b'"crit":["exp"]', b'"kid":"../x"', b'"Sub":', b'"sub":', b'"exp":1e999', b"Infinity",
    b"\\ud800", b"\\u0073", b'"x5c":[]', b'"b64":false', b'"d":"AQ"', b'"use":"enc"', b'"kty":"oct"',
    b"\xef\xbb\xbf", b"\0", b"\n",
)  # fmt: skip

TARGETS = (
    Target("token", fuzz_token, (MINT.token().encode(), CLAIMS, HEADER), WORDS, guided=True),
    Target("keyset", fuzz_keys, (KEYS, json.dumps(MINT.public("k-ec")).encode()), WORDS),
)
