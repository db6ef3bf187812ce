"""What the gateway and its admin process say to each other: a JSON object on each line of a socket pair.

The gateway begins with a `Hello`. From then on the admin process asks and the gateway answers, in any order;
the id says which answer belongs to which question.
"""

from typing import Any, Final

import msgspec

from doorward.model.errors import DoorwardError, GatewayError
from doorward.model.reasons import Reason

MAX_QUESTION: Final = 64 * 1024
MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of a line. What could be longer is asked for in pages."""


class Hello(msgspec.Struct, frozen=True):
    """What the admin process has to know: it loads no configuration, and so knows no secret of one."""

    database: str
    ring: str
    address: str
    """Where its listener is bound."""


class Question(msgspec.Struct, frozen=True):
    """One request of the admin process."""

    id: int
    verb: str
    given: msgspec.Raw = msgspec.Raw(b"{}")


class Fault(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    reason: str
    message: str


class Answer(msgspec.Struct, frozen=True):
    """To the question of this id: `said`, or what is wrong."""

    id: int
    said: msgspec.Raw = msgspec.Raw(b"null")
    fault: Fault | None = None


_encoder: Final = msgspec.json.Encoder()
_questions: Final = msgspec.json.Decoder(Question)
_answers: Final = msgspec.json.Decoder(Answer)


def line(message: Hello | Question | Answer) -> bytes:
    """With its newline."""
    return _encoder.encode(message) + b"\n"


def raw(value: Any) -> msgspec.Raw:
    """What a question gives, or an answer says."""
    return msgspec.Raw(_encoder.encode(value))


def question(text: bytes) -> Question:
    """Raises msgspec.MsgspecError."""
    return _questions.decode(text)


def answer(text: bytes) -> Answer:
    """Raises msgspec.MsgspecError."""
    return _answers.decode(text)


def hello(text: bytes) -> Hello:
    """Raises msgspec.MsgspecError."""
    return msgspec.json.decode(text, type=Hello)


def fault(error: DoorwardError) -> Fault:
    """An error as it travels."""
    return Fault(error.reason.value, error.message)


def raised(told: Fault) -> GatewayError:
    """The same on the other side: whatever it was there, here the gateway could not do it."""
    try:
        return GatewayError(Reason(told.reason), told.message)
    except ValueError:
        return GatewayError(Reason.INTERNAL_ERROR, told.message)
