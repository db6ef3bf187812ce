"""Values that an HTTP header cannot carry as they are: `=?base64?...?=` (MCP 2026-07-28, transports)."""

import base64
import binascii
import re
from typing import Final

from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

_PLAIN: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_PREFIX: Final = "=?base64?"
_SUFFIX: Final = "?="


def encode_name(value: str) -> str:
    """The value itself where every reader gets it back unchanged, else the base64 form of its UTF-8.

    The latter goes for the empty string and for what looks like the base64 form already.
    """
    if _PLAIN.fullmatch(value) and not _wrapped(value):
        return value
    return f"{_PREFIX}{base64.b64encode(value.encode()).decode()}{_SUFFIX}"


def decode_name(value: bytes) -> str:
    """The inverse, for a header field's value with or without white space around it.

    Raises CallerError(HEADER_MISMATCH) for what is not visible ASCII, not exactly one spelling of base64
    (alphabet, padding, unused bits), or not UTF-8 within.
    """
    try:
        text = value.strip(b" \t").decode("ascii")
        if not _wrapped(text):
            if text and not _PLAIN.fullmatch(text):
                raise _malformed()
            return text
        encoded = text[len(_PREFIX) : -len(_SUFFIX)]
        decoded = base64.b64decode(encoded, validate=True)
        if base64.b64encode(decoded).decode() != encoded:
            raise _malformed()
        return decoded.decode()
    except (UnicodeDecodeError, binascii.Error):
        raise _malformed() from None


def _wrapped(text: str) -> bool:
    return text.startswith(_PREFIX) and text.endswith(_SUFFIX) and len(text) >= len(_PREFIX) + len(_SUFFIX)


def _malformed() -> CallerError:
    return CallerError(Reason.HEADER_MISMATCH, "a header value is malformed")
