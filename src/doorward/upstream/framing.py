"""What llhttp lets pass in the head of an answer although another reader would frame it differently. Pure.

A proxy between the server and us may be that other reader: where the two disagree, the rest of one answer
becomes the beginning of the next (response splitting). docs/reference/http-differentials.md has the cases.
"""

from collections.abc import Mapping
from typing import Final

FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Fields that say where a message ends."""
_OWS: Final = b" \t"
_DIGITS: Final = 18
_VERSIONS: Final = ("1.1", "1.0")


def framing_fault(status: int, version: str, fields: Mapping[bytes, bytes]) -> str | None:
    """Why an answer with this head cannot be trusted, for the one who runs the gateway; None when it can.

    `fields` have lower-case names; a repeated Transfer-Encoding is joined. Sources: RFC 9110 section 8.6,
    RFC 9112 sections 6.1 and 6.3.
    """
    length = fields.get(b"content-length")
    encoding = fields.get(b"transfer-encoding")
    if version not in _VERSIONS:
        return "answered in another version of HTTP than 1.1 and 1.0"
    if status == 101:
        return "switched to another protocol although nobody asked it to"
    if status < 100:
        return f"answered with the impossible status {status}"
    if status < 200 and not (length is None and encoding is None):
        return "sent an interim response with a body"
    if encoding is not None and (version == "1.0" or encoding.strip(b" ").lower() != b"chunked"):
        return "sent a transfer coding other than chunked"
    if length is not None and len(length.strip(_OWS)) > _DIGITS:
        return "sent a Content-Length of too many digits"
    return None
