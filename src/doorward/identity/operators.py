"""Tokens of operators: their text form. What is stored of one is what is stored of a key (keys.digest).

`dwa_<id>_<secret><crc>`: another prefix than a key's, so that neither is ever taken for the other, by us, by
a person, or by a scanner for leaked secrets. The id is that of the operator, without its `op_`.
"""

from typing import Final

import msgspec

from doorward.identity.base62 import CRC_LENGTH, checksum, drawn, holds
from doorward.identity.keys import ID_LENGTH, SECRET_LENGTH

PREFIX: Final = "dwa_"
ID_PREFIX: Final = "op_"


class OperatorToken(msgspec.Struct, frozen=True, gc=False):
    """A token in plain form: exists while it is shown once, and while it is being checked."""

    id: str
    """Of the operator: `op_` and 12 base62 characters."""
    secret: str

    def __repr__(self) -> str:
        return f"OperatorToken({self.id}, ***)"

    @property
    def text(self) -> str:
        """What the operator presents."""
        body = f"{PREFIX}{self.id.removeprefix(ID_PREFIX)}_{self.secret}"
        return body + checksum(body)


def mint(operator_id: str | None = None) -> OperatorToken:
    """A new token, of a new operator or of one that has an id."""
    return OperatorToken(operator_id or ID_PREFIX + drawn(ID_LENGTH), drawn(SECRET_LENGTH))


def parse(text: str) -> OperatorToken:
    """The parts of a presented token. Raises ValueError, whose text never repeats it."""
    if not text.isascii() or not text.startswith(PREFIX):
        raise ValueError("not an operator's token: it does not begin with dwa_")
    body, written = text[:-CRC_LENGTH], text[-CRC_LENGTH:]
    if checksum(body) != written:
        raise ValueError("the token is incomplete or mistyped: its checksum does not fit")
    parts = body.split("_")
    if len(parts) != 3:
        raise ValueError("not an operator's token: its parts have the wrong length or alphabet")
    _, number, secret = parts
    if len(number) != ID_LENGTH or len(secret) != SECRET_LENGTH or not holds(number + secret):
        raise ValueError("not an operator's token: its parts have the wrong length or alphabet")
    return OperatorToken(ID_PREFIX + number, secret)
