"""Pydantic's errors in the words of the document's reader."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from doorward.config.errors import did_you_mean
from doorward.config.places import Path, dotted
from doorward.config.scalars import kind
from doorward.config.settings import NAME_RULES, Settings

_EXPECTED: Final = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the value at a path (or, with `at_key`, with its key)."""

    path: Path
    message: str
    hint: str | None = None
    at_key: bool = False


def explain(error: ValidationError, data: Any) -> Iterator[Finding]:
    """One finding for each of pydantic's errors about `data`; values are described, never repeated."""
    for detail in error.errors(include_url=False, include_input=False):
        if detail["type"] == "too_short" and _path(detail["loc"], data)[1]:
            continue  # pydantic counts valid items only, and has reported the others
        yield _finding(detail, data)


def _finding(detail: ErrorDetails, data: Any) -> Finding:
    path, value = _path(detail["loc"], data)
    about, context = detail["type"], detail.get("ctx", {})
    if about == "extra_forbidden":
        return _unknown_key(path)
    if about == "missing":
        name = str(detail["loc"][-1])
        where = f" in {dotted(path)}" if path else ""
        return Finding(path, f'missing key "{name}"{where}', at_key=True)
    if about in _EXPECTED:
        return Finding(path, f"expected {_EXPECTED[about]}, this is {kind(value)}", _quoting(about, value))
    if about in {"literal_error", "enum"}:
        return _choice(path, value, str(context["expected"]))
    if about == "string_pattern_mismatch":
        return Finding(path, NAME_RULES[context["pattern"]], at_key=detail["loc"][-1] == "[key]")
    if about == "value_error":
        return Finding(path, str(context["error"]), at_key=detail["loc"][-1] == "[key]")
    if about == "too_short":
        return Finding(path, "this list is empty")
    if about == "greater_than":
        return Finding(path, f"this must be more than {context['gt']:g}")
    if about == "greater_than_equal":
        return Finding(path, f"this must be at least {context['ge']:g}")
    if about == "less_than_equal":
        return Finding(path, f"this must be at most {context['le']:g}")
    return Finding(path, detail["msg"])


def _path(loc: tuple[int | str, ...], data: Any) -> tuple[Path, Any]:
    """The part of an error's location that exists in the data, and the value there.

    Pydantic mixes names of union branches and a final "[key]" into locations.
    """
    path: Path = ()
    for part in loc:
        inside = part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int)
        if inside:
            data = data[part]
            path = (*path, part)
    return path, data


def _unknown_key(path: Path) -> Finding:
    *parent, name = path
    where = f" in {dotted(tuple(parent))}" if parent else ""
    known = _known_keys(tuple(parent))
    hint = did_you_mean(str(name), known) or f"known here: {', '.join(known)}"
    return Finding(path, f'unknown key "{name}"{where}', hint, at_key=True)


def _known_keys(path: Path) -> list[str]:
    """Keys that a mapping at this path may have, by the JSON Schema."""
    schema = Settings.model_json_schema()
    here: dict[str, Any] = schema
    for part in path:
        here = _mapping_schema(here, schema)
        here = here.get("properties", {}).get(part) or here.get("items") or _any_value(here)
    return sorted(_mapping_schema(here, schema).get("properties", {}))


def _mapping_schema(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follows a reference, and takes the branch of a union that is not null or a constant."""
    for branch in node.get("anyOf", node.get("oneOf", [node])):
        if "$ref" in branch:
            found: dict[str, Any] = schema["$defs"][branch["$ref"].rpartition("/")[2]]
            return found
        if "properties" in branch or "items" in branch or _any_value(branch):
            return dict(branch)
    return {}


def _any_value(node: dict[str, Any]) -> dict[str, Any]:
    patterns = node.get("patternProperties", {})
    value = next(iter(patterns.values()), node.get("additionalProperties"))
    return value if isinstance(value, dict) else {}


def _quoting(about: str, value: Any) -> str | None:
    if about == "string_type" and isinstance(value, bool | int | float):
        return "quote it to make it text"
    if about == "tuple_type" and isinstance(value, str):
        return "put it into brackets: [...]"
    return None


def _choice(path: Path, value: Any, expected: str) -> Finding:
    words = expected.replace("'", "").replace("True", "true")
    hint = None
    if "'" not in expected and isinstance(value, str):
        return Finding(path, f"expected {words}, this is text")
    if isinstance(value, str):
        hint = did_you_mean(value, words.replace(" or ", ", ").split(", "))
    elif isinstance(value, float) and "'" in expected:
        hint = "quote it to make it text"
    return Finding(path, f"expected {words}", hint)
