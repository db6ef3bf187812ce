"""`x-mcp-header`: arguments that a tool's schema mirrors into `Mcp-Param-*` headers (2026-07-28, transports).

The schema is an upstream's, so it is walked without recursion and nothing in it is dereferenced.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire.header_values import decode_name, encode_name

ANNOTATION: Final = "x-mcp-header"
PREFIX: Final = "Mcp-Param-"
SAFE_INTEGER: Final = 2**53 - 1
"""Beyond it JavaScript readers see another number than we do."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DECIMAL: Final = re.compile(r"(-?[0-9]{1,16})(?:\.0+)?")
_TYPES: Final = ("string", "integer", "boolean")
# JSON Schema 2020-12 keywords that hold schemas. What holds data (const, default, enum, examples) is not
# entered: an annotation there is somebody's value.
_ONE: Final = frozenset(
    [
        "items",
        "contains",
        "unevaluatedItems",
        "additionalItems",
        "additionalProperties",
        "propertyNames",
        "unevaluatedProperties",
        "not",
        "if",
        "then",
        "else",
        "contentSchema",
    ]
)
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
_MAP: Final = frozenset({"patternProperties", "dependentSchemas", "$defs", "definitions"})

Path = tuple[str, ...]


def invalid_annotations(input_schema: Any) -> list[str]:
    """Why the schema's annotations are not valid, one sentence each; empty when they are.

    A client over HTTP must not offer a tool with an invalid one (2026-07-28).
    """
    faults: list[str] = []
    seen: dict[str, Path] = {}
    for path, schema in _positions(input_schema):
        if ANNOTATION not in schema:
            continue
        where = ".".join(path) if path else "a place that properties alone do not lead to"
        token = schema[ANNOTATION]
        if not path:
            faults.append(f"{ANNOTATION} stands at {where}")
        elif not isinstance(token, str) or not _TOKEN.fullmatch(token):
            faults.append(f"{where}: {ANNOTATION} is not a header name (RFC 9110 token)")
        elif schema.get("type") not in _TYPES:
            faults.append(f"{where}: {ANNOTATION} is for strings, integers and booleans only")
        elif token.lower() in seen:
            faults.append(f"{where}: {ANNOTATION} repeats that of {'.'.join(seen[token.lower()])}")
        else:
            seen[token.lower()] = path
    return faults


def param_headers(input_schema: Any, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The headers that a tools/call with these arguments has to carry, names as the specification writes
    them.

    An argument that is absent, null or of no mirrored type has none. A schema with invalid annotations has
    none.
    """
    if invalid_annotations(input_schema):
        return {}
    found: dict[str, str] = {}
    for path, schema in _positions(input_schema):
        if ANNOTATION in schema:
            rendered = _render(schema["type"], _value(arguments, path))
            if rendered is not None:
                found[PREFIX + schema[ANNOTATION]] = encode_name(rendered)
    return found


def mirrors(input_schema: Any) -> bool:
    """Whether the schema has an annotation anywhere, valid or not."""
    return any(ANNOTATION in schema for _, schema in _positions(input_schema))


def check_param_headers(
    headers: Mapping[bytes, bytes], input_schema: Any, arguments: Mapping[str, Any]
) -> None:
    """Whether the Mcp-Param-* headers repeat the arguments; `headers` has lower-case names.

    Headers that no annotation asks for are ignored, as are all of a schema with invalid annotations:
    conforming clients do not send any, and nothing here reads them. Raises CallerError(HEADER_MISMATCH).
    """
    if invalid_annotations(input_schema):
        return
    for path, schema in _positions(input_schema):
        if ANNOTATION not in schema:
            continue
        name = PREFIX + schema[ANNOTATION]
        raw = headers.get(name.lower().encode())
        rendered = _render(schema["type"], _value(arguments, path))
        if raw is None and rendered is None:
            continue
        if raw is None or rendered is None or not _agree(schema["type"], decode_name(raw), rendered):
            raise CallerError(
                Reason.HEADER_MISMATCH, f"{name} does not repeat the argument {'.'.join(path or ())}"
            )


def _positions(root: Any) -> Iterator[tuple[Path | None, dict[str, Any]]]:
    """Every schema in a schema, with the chain of properties that leads to it; None once the chain is
    broken."""
    stack: list[tuple[Path | None, Any]] = [((), root)]
    while stack:
        path, schema = stack.pop()
        if not isinstance(schema, dict):
            continue
        yield path, schema
        for keyword, value in schema.items():
            if keyword == "properties" and isinstance(value, dict):
                stack.extend((None if path is None else (*path, name), sub) for name, sub in value.items())
            elif keyword in _LIST and isinstance(value, list):
                stack.extend((None, sub) for sub in value)
            elif keyword in _MAP and isinstance(value, dict):
                stack.extend((None, sub) for sub in value.values())
            elif keyword in _ONE:
                stack.append((None, value))


def _value(arguments: Mapping[str, Any], path: Path | None) -> Any:
    value: Any = arguments
    for name in path or ():
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _render(declared: str, value: Any) -> str | None:
    """As a client writes it; None for a value that no client mirrors."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and declared == "integer":
        value = int(value)
    if isinstance(value, int) and abs(value) <= SAFE_INTEGER:
        return str(value)
    return str(value) if isinstance(value, float) else None


def _agree(declared: str, said: str, rendered: str) -> bool:
    """Integers by value, so 42 and 42.0 agree; everything else letter by letter."""
    if said == rendered:
        return True
    ours, theirs = _DECIMAL.fullmatch(rendered), _DECIMAL.fullmatch(said)
    return (
        declared == "integer" and ours is not None and theirs is not None and int(ours[1]) == int(theirs[1])
    )
