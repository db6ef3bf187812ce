from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire.param_headers import (
    SAFE_INTEGER,
    check_param_headers,
    invalid_annotations,
    mirrors,
    param_headers,
)

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry-Run"},
        "inner": {"type": "object", "properties": {"deep": {"type": "string", "x-mcp-header": "Deep"}}},
        "free": {"type": "string"},
        "example": {"type": "object", "default": {"x-mcp-header": "no annotation"}},
    },
}


def wire(headers: dict[str, str]) -> dict[bytes, bytes]:
    return {name.lower().encode(): value.encode() for name, value in headers.items()}


@pytest.mark.spec("DW-110")
def test_annotated_arguments_are_mirrored() -> None:
    arguments = {"region": "zürich", "count": 42.0, "dry": True, "inner": {"deep": "x"}, "free": "no"}
    found = param_headers(SCHEMA, arguments)
    assert found == {
        "Mcp-Param-Region": "=?base64?esO8cmljaA==?=",
        "Mcp-Param-Count": "42",
        "Mcp-Param-Dry-Run": "true",
        "Mcp-Param-Deep": "x",
    }
    check_param_headers(wire(found), SCHEMA, arguments)


@pytest.mark.spec("DW-111")
@pytest.mark.parametrize(
    "arguments", [{}, {"region": None, "inner": None}, {"inner": "x"}, {"region": ["a"]}], ids=str
)
def test_what_is_not_there_has_no_header(arguments: dict[str, Any]) -> None:
    assert param_headers(SCHEMA, arguments) == {}
    check_param_headers({b"mcp-param-unknown": b"x"}, SCHEMA, arguments)


ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "region": st.text(st.characters(codec="utf-8"), max_size=9) | st.none(),
        "count": st.integers(-SAFE_INTEGER, SAFE_INTEGER) | st.none(),
        "dry": st.booleans(),
        "inner": st.fixed_dictionaries(
            {}, optional={"deep": st.text(st.characters(codec="utf-8"), max_size=9)}
        ),
    },
)


@pytest.mark.spec("DW-110")
@given(ARGUMENTS)
def test_our_own_headers_pass_our_own_check(arguments: dict[str, Any]) -> None:
    check_param_headers(wire(param_headers(SCHEMA, arguments)), SCHEMA, arguments)


@pytest.mark.spec("DW-116")
@given(ARGUMENTS, ARGUMENTS)
def test_the_headers_of_other_arguments_do_not(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    headers = param_headers(SCHEMA, theirs)
    if headers == param_headers(SCHEMA, ours):
        return
    with pytest.raises(CallerError) as caught:
        check_param_headers(wire(headers), SCHEMA, ours)
    assert caught.value.reason is Reason.HEADER_MISMATCH


@pytest.mark.spec("DW-112")
@pytest.mark.parametrize("said", ["42", "42.0", "42.000", "042"])
def test_integers_are_compared_by_value(said: str) -> None:
    check_param_headers({b"mcp-param-count": said.encode()}, SCHEMA, {"count": 42})


@pytest.mark.spec("DW-079")
@pytest.mark.parametrize(
    ("name", "said", "arguments"),
    [
        ("count", "42.5", {"count": 42}),
        ("count", "4.2e1", {"count": 42}),
        ("count", "+42", {"count": 42}),
        ("count", "true", {"count": 1}),
        ("count", "1", {"count": True}),
        ("count", "", {"count": 0}),
        ("count", "9007199254740993", {"count": 2**53 + 1}),
        ("count", "9" * 5000, {"count": 9}),
        ("region", "EU", {"region": "eu"}),
        ("region", "eu", {}),
        ("region", "eu", {"region": None}),
        ("region", "=?base64?ZX?=", {"region": "e"}),
        ("region", "eu, eu", {"region": "eu"}),
        ("dry-run", "True", {"dry": True}),
        ("dry-run", "1", {"dry": True}),
        ("deep", "x", {"inner": "x"}),
    ],
)
def test_a_mismatch(name: str, said: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(CallerError) as caught:
        check_param_headers({f"mcp-param-{name}".encode(): said.encode()}, SCHEMA, arguments)
    assert caught.value.reason is Reason.HEADER_MISMATCH


def annotated(**members: Any) -> dict[str, Any]:
    return {"type": "string", "x-mcp-header": "A", **members}


@pytest.mark.spec("DW-113")
@pytest.mark.parametrize(
    "schema",
    [
        annotated(),
        {"items": annotated()},
        {"properties": {"a": {"items": annotated()}}},
        {"properties": {"a": {"anyOf": [annotated()]}}},
        {"$defs": {"a": annotated()}},
        {"additionalProperties": annotated()},
        {"properties": {"a": {"items": [{"properties": {"b": annotated()}}]}}},
        {"properties": {"a": annotated(), "b": annotated(**{"x-mcp-header": "a"})}},
        *(
            {"properties": {"a": annotated(type=bad)}}
            for bad in ("number", "object", "array", None, ["string"])
        ),
        *(
            {"properties": {"a": annotated(**{"x-mcp-header": bad})}}
            for bad in ("", "a b", "é", "a:", 5, None)
        ),
    ],
    ids=str,
)
def test_an_invalid_annotation_is_named_and_mirrors_nothing(schema: dict[str, Any]) -> None:
    (fault,) = invalid_annotations(schema)
    assert "x-mcp-header" in fault
    assert param_headers(schema, {"a": "x"}) == {}
    check_param_headers({}, schema, {"a": "x"})


@pytest.mark.spec("DW-113")
@pytest.mark.parametrize(
    "schema", [SCHEMA, {}, True, None, [], {"properties": []}, {"const": annotated()}], ids=str
)
def test_no_fault(schema: Any) -> None:
    assert invalid_annotations(schema) == []


@pytest.mark.spec("DW-111")
def test_a_deep_schema_is_walked_without_recursion() -> None:
    schema: dict[str, Any] = annotated()
    for _ in range(20_000):
        schema = {"not": schema}
    assert len(invalid_annotations(schema)) == 1


@pytest.mark.spec("DW-111")
def test_whether_a_schema_mirrors_anything_at_all() -> None:
    plain = {"type": "object", "properties": {"x-mcp-header": {"type": "string"}, "a": {"const": {}}}}
    assert not mirrors(plain)
    assert not mirrors(None)
    assert not mirrors({"properties": {"a": {"default": {"x-mcp-header": "A"}}}})
    assert mirrors({"properties": {"a": {"type": "string", "x-mcp-header": "A"}}})
    assert mirrors({"allOf": [{"items": {"x-mcp-header": "not valid here"}}]})
