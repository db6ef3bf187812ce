"""From a tool's JSON Schema to Cedar types, and the Cedar schema that a slice is checked against.

Tool definitions are written by strangers. What reaches the native generator is a rebuilt schema: known
keywords only, references resolved, names replaced, bounded in depth and size. What does not fit is opaque and
takes nothing else of the tool down with it.
"""

import re
from collections.abc import Container, Mapping
from typing import Any, Final

import msgspec
from cedar_mcp_schema_generator import generate_schema

from doorward.policy.encode import CedarType, Opaque, Record, Scalar, SetOf
from doorward.policy.names import AGENT, SERVER, UNKNOWN

_DEPTH: Final = 8
_NODES: Final = 500
_REF: Final = re.compile(r"#/(?:\$defs|definitions)/([^/~%]+)")
_STUB: Final = "namespace Doorward {\n@mcp_principal entity Agent;\n@mcp_resource entity Server;\n}\n"
_CONFIG: Final = {"objectsAsRecords": True, "numbersAsDecimal": True, "eraseAnnotations": True}
_SCALAR_NAMES: Final = {scalar.value: scalar for scalar in Scalar}
_JSON_SCALARS: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}


def input_type(input_schema: Any, wanted: Container[str] | None = None) -> Record:
    """The type of `context.input` for a tool with this `inputSchema`, of the `wanted` arguments or of all.

    An `inputSchema` that cannot be understood gives a record without attributes: no condition loads on it.
    """
    reader = _Reader(input_schema, wanted)
    plain = reader.plain(input_schema, 0)
    if not plain.get("properties"):
        return Record({})
    made = generate_schema(_STUB, [{"name": "tool", "inputSchema": plain}], config=_CONFIG)
    if not made["isOk"]:
        return Record({})
    types = msgspec.json.decode(made["schemaJson"])
    resolved = _Types(types, reader.names).resolve({"type": "EntityOrCommon", "name": "Doorward::toolInput"})
    return resolved if isinstance(resolved, Record) else Record({})


class _Reader:
    """Rebuilds one JSON Schema (2020-12 or draft-07) in the few words that matter to conditions."""

    def __init__(self, root: Any, wanted: Container[str] | None) -> None:
        self._wanted = wanted
        self._definitions: dict[str, Any] = {}
        for key in ("$defs", "definitions"):
            held = root.get(key) if isinstance(root, dict) else None
            if isinstance(held, dict):
                self._definitions |= held
        self._left = _NODES
        self.names: list[str] = []

    def plain(self, node: Any, depth: int) -> dict[str, Any]:
        """`{}` stands for "could be anything"."""
        self._left -= 1
        if not isinstance(node, dict) or depth > _DEPTH or self._left < 0:
            return {}
        if isinstance(reference := node.get("$ref"), str):
            found = _REF.fullmatch(reference)
            return self.plain(self._definitions.get(found[1]), depth + 1) if found else {}
        match _type_name(node, top=depth == 0):
            case "string" | "integer" | "number" | "boolean" as name:
                return {"type": name}
            case "array":
                items = self.plain(node.get("items"), depth + 1)
                return {"type": "array", "items": items} if items else {}
            case "object":
                return self._object(node.get("properties"), depth)
            case "alternatives":
                return self._alternatives(node, depth)
        return {}

    def _object(self, properties: Any, depth: int) -> dict[str, Any]:
        if not isinstance(properties, dict) or not properties:
            return {}
        named = {}
        for name, node in properties.items():
            if depth == 0 and self._wanted is not None and name not in self._wanted:
                continue
            # The generator takes Cedar identifiers only, so it sees numbers; `_Types` puts the names back.
            number = len(self.names)
            self.names.append(name)
            named[f"f{number}"] = self.plain(node, depth + 1)
        return {"type": "object", "properties": named} if named else {}

    def _alternatives(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        """`X or null` is X, and so is `X or X`. Anything else has no single type."""
        for key in ("anyOf", "oneOf", "allOf"):
            if isinstance(options := node.get(key), list):
                kinds = [self.plain(option, depth + 1) for option in options if not _is_null(option)]
                if kinds and all(kind == kinds[0] for kind in kinds):
                    return kinds[0]
                return {}
        return {}


def _is_null(node: Any) -> bool:
    return isinstance(node, dict) and node.get("type") == "null"


def _type_name(node: dict[str, Any], *, top: bool) -> str:
    """The one JSON type that a schema admits beside null, "alternatives", or "" when there is not one."""
    declared = node.get("type")
    if isinstance(declared, list):
        others = [name for name in declared if name != "null"]
        declared = others[0] if len(others) == 1 else ""
        if sorted(map(str, others)) == ["integer", "number"]:
            declared = "number"
    if isinstance(declared, str):
        return declared
    if top or isinstance(node.get("properties"), dict):
        return "object"
    values = [node["const"]] if "const" in node else node.get("enum")
    if isinstance(values, list):
        kinds = {_JSON_SCALARS.get(type(value), "") for value in values if value is not None}
        return kinds.pop() if len(kinds) == 1 else ""
    return "alternatives"


class _Types:
    """Reads the generator's JSON schema back into types, with the arguments' real names."""

    def __init__(self, schema: Mapping[str, Any], names: list[str]) -> None:
        self._names = names
        self._common: dict[str, Any] = {
            f"{space}::{name}": body
            for space, held in schema.items()
            for name, body in held["commonTypes"].items()
        }

    def resolve(self, body: Mapping[str, Any]) -> CedarType:
        match body["type"]:
            case "Record":
                attributes = body["attributes"].items()
                return Record({self._names[int(name[1:])]: self.resolve(of) for name, of in attributes})
            case "Set":
                return SetOf(self.resolve(body["element"]))
        name = body.get("name", "")
        if name in _SCALAR_NAMES:
            return _SCALAR_NAMES[name]
        return self.resolve(self._common[name]) if name in self._common else Opaque()


def action_schema(space: str, action: str, given: Record, *, required: bool) -> str:
    """A Cedar schema (JSON form) with one action, whose `context.input` has the attributes of `given`.

    `required` says whether those attributes are always there: ours are, a caller's arguments never need be.
    """
    context = {"type": "Record", "attributes": {"input": _declared(given, required=required)}}
    applies = {"principalTypes": [AGENT], "resourceTypes": [SERVER], "context": context}
    document = {
        "Doorward": {"entityTypes": {"Agent": {}, "Server": {}, "Unknown": {}}, "actions": {}},
        space: {"entityTypes": {}, "actions": {action: {"appliesTo": applies}}},
    }
    return msgspec.json.encode(document).decode()


def _declared(kind: CedarType, *, required: bool = False) -> dict[str, Any]:
    match kind:
        case Scalar():
            return {"type": "EntityOrCommon", "name": f"__cedar::{kind.value}"}
        case Opaque():
            return {"type": "Entity", "name": UNKNOWN}
        case SetOf():
            return {"type": "Set", "element": _declared(kind.element)}
        case Record():
            attributes = {
                name: _declared(of) | {"required": required} for name, of in kind.attributes.items()
            }
            return {"type": "Record", "attributes": attributes}
