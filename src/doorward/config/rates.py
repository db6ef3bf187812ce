"""How a rate is written, and what its JSON Schema says."""

from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from doorward.model.bounds import Rate


def _rate(value: object) -> Rate:
    if isinstance(value, Rate):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a rate such as 100/min")  # noqa: TRY004 - pydantic collects a ValueError
    return Rate.parse(value)


RateText = Annotated[
    Rate,
    PlainValidator(_rate),
    PlainSerializer(str),
    WithJsonSchema(
        {"type": "string", "pattern": "^[1-9][0-9]{0,8}/(s|min|h|d)$", "examples": ["100/min", "10/s"]}
    ),
]
