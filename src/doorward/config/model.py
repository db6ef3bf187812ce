"""What every section of the document has in common."""

from typing import Final

from pydantic import ConfigDict
from pydantic.config import JsonDict

STRICT: Final = ConfigDict(
    strict=True,
    frozen=True,
    extra="forbid",
    validate_by_name=True,
    validate_by_alias=True,
    serialize_by_alias=True,
    hide_input_in_errors=True,
    use_attribute_docstrings=True,
)
"""No unknown keys, no conversions, no values in errors; attribute docstrings describe keys in the schema."""


def one_of(*names: str) -> JsonDict:
    """What the JSON Schema says of a mapping that needs exactly one of these keys."""
    return {"oneOf": [{"required": [name]} for name in names]}
