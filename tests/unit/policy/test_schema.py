"""Types of arguments, from definitions as strangers write them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.policy.encode import CedarType, Opaque, Record, Scalar, SetOf
from doorward.policy.schema import input_type

OPAQUE = Opaque()


def argument(schema: Any, **beside: Any) -> CedarType:
    return input_type({"type": "object", "properties": {"x": schema}, **beside}).attributes["x"]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, Scalar.STRING),
        ({"type": "string", "format": "date-time", "pattern": "(", "minLength": "?"}, Scalar.STRING),
        ({"type": "string", "enum": ["a", "b"]}, Scalar.STRING),
        ({"enum": ["a", None, "b"]}, Scalar.STRING),
        ({"const": True}, Scalar.BOOL),
        ({"enum": [1, 2]}, Scalar.LONG),
        ({"enum": [1, "a"]}, OPAQUE),
        ({"enum": []}, OPAQUE),
        ({"type": "integer"}, Scalar.LONG),
        ({"type": "number"}, Scalar.DECIMAL),
        ({"type": ["integer", "number", "null"]}, Scalar.DECIMAL),
        ({"type": "boolean"}, Scalar.BOOL),
        ({"type": ["string", "null"]}, Scalar.STRING),
        ({"type": ["string", "integer"]}, OPAQUE),
        ({"type": "null"}, OPAQUE),
        ({"type": "banana"}, OPAQUE),
        ({"type": ["string", {}]}, OPAQUE),
        ({"type": 7}, OPAQUE),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, Scalar.LONG),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, Scalar.STRING),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, OPAQUE),
        ({"anyOf": [{"type": "null"}]}, OPAQUE),
        ({"allOf": [{"$ref": "#/$defs/Name"}]}, Scalar.STRING),
        ({"$ref": "#/$defs/Name"}, Scalar.STRING),
        ({"$ref": "#/definitions/Old"}, Scalar.BOOL),
        ({"$ref": "#/$defs/Nowhere"}, OPAQUE),
        ({"$ref": "https://example.com/x.json"}, OPAQUE),
        ({"$ref": "#"}, OPAQUE),
        ({"$ref": "#/$defs/Loop"}, OPAQUE),
        ({"type": "array", "items": {"type": "integer"}}, SetOf(Scalar.LONG)),
        ({"type": "array"}, OPAQUE),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, OPAQUE),
        ({"type": "object"}, OPAQUE),
        ({"properties": {"y": {"type": "string"}}}, Record({"y": Scalar.STRING})),
        ({}, OPAQUE),
        (True, OPAQUE),
        (None, OPAQUE),
        ([], OPAQUE),
    ],
)
def test_types(schema: Any, kind: CedarType) -> None:
    definitions = {"Name": {"type": "string"}, "Loop": {"$ref": "#/$defs/Loop"}}
    assert argument(schema, **{"$defs": definitions, "definitions": {"Old": {"type": "boolean"}}}) == kind


def test_names_come_back_at_every_depth() -> None:
    inner = {"type": "array", "items": {"type": "object", "properties": {"a-b": {"type": "number"}}}}
    schema = {
        "type": "object",
        "properties": {"": {"type": "string"}, "in": inner, "f0": {}, "String": inner},
    }
    rows = SetOf(Record({"a-b": Scalar.DECIMAL}))
    assert argument(schema) == Record({"": Scalar.STRING, "in": rows, "f0": OPAQUE, "String": rows})


@pytest.mark.parametrize(
    "schema",
    [None, True, "x", [], {}, {"type": "object"}, {"type": "string"}, {"properties": []}, {"type": "array"}],
)
def test_what_is_no_object_has_no_arguments(schema: Any) -> None:
    assert input_type(schema) == Record({})


def test_what_cannot_be_read_costs_only_itself() -> None:
    schema = {
        "properties": {
            "bad": {"type": "banana", "$ref": 5},
            "loop": {"$ref": "#/$defs/L"},
            "x": {"type": "integer"},
        }
    }
    schema["$defs"] = {"L": {"type": "object", "properties": {"l": {"$ref": "#/$defs/L"}}}}
    kinds = input_type(schema).attributes
    assert kinds["x"] is Scalar.LONG
    assert kinds["bad"] == OPAQUE


def test_only_what_is_wanted_is_looked_at() -> None:
    many = {f"p{n}": {"type": "object", "properties": {"y": {"type": "string"}}} for n in range(5_000)}
    schema = {"properties": many | {"x": {"type": "integer"}}}
    assert input_type(schema, {"x", "nowhere"}) == Record({"x": Scalar.LONG})
    assert input_type(schema, ()) == Record({})


def test_depth_is_bounded() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5_000):
        schema = {"type": "array", "items": schema}
    assert argument(schema) == OPAQUE


def test_a_schema_that_grows_out_of_its_references_is_bounded() -> None:
    """Ten properties, each of ten, eight deep: a hundred million nodes if nobody counts."""
    wide = {f"p{n}": {"$ref": "#/$defs/W"} for n in range(10)}
    schema = {"properties": {"x": {"$ref": "#/$defs/W"}, "late": {"type": "string"}}}
    schema["$defs"] = {"W": {"type": "object", "properties": wide}}
    kinds = input_type(schema).attributes
    assert set(kinds) == {"x", "late"}


words = st.sampled_from(
    [
        "type",
        "properties",
        "items",
        "$ref",
        "$defs",
        "anyOf",
        "oneOf",
        "allOf",
        "enum",
        "const",
        "x",
        "a-b",
        "",
    ]
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["string", "integer", "number", "object", "array", "null", "#/$defs/x", "#"])
)
nonsense = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300)
@given(nonsense)
def test_no_definition_breaks_it(schema: Any) -> None:
    declared = schema.get("properties") if isinstance(schema, dict) else None
    assert set(input_type(schema).attributes) <= set(declared if isinstance(declared, dict) else ())
