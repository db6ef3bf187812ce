"""The OpenAPI document of /api/v1, made from the table of routes (OpenAPI 3.1)."""

import inspect
import re
from typing import Any, Final

import msgspec

from doorward import __version__
from doorward.api.errors import ErrorBody
from doorward.api.route import PREFIX, Route
from doorward.api.routes import ROUTES

PATH: Final = "/openapi.json"
PENDING: Final = "Doorward-Pending"
"""Header of an answer to a change that is stored and not in force yet."""
_JSON: Final = "application/json"
_TEMPLATE: Final = "#/components/schemas/{name}"
_SEGMENT: Final = re.compile(r"\{(\w+)\}")
_FAILURES: Final = {
    "400": "Something that was said cannot be",
    "401": "No operator's token that holds",
    "403": "The role or limits of the operator, or a web page of another origin",
    "404": "No such thing",
    "409": "Not as the thing is now",
    "413": "The body is too large",
    "415": "The body is no JSON",
    "500": "A bug",
    "503": "The store or the gateway does not answer",
}


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    types = [route.answer for route in ROUTES]
    types += [route.body for route in ROUTES if route.body is not None]
    types.append(ErrorBody)
    found, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    schemas = iter(found)
    answers = {id(route): next(schemas) for route in ROUTES}
    bodies = {id(route): next(schemas) for route in ROUTES if route.body is not None}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        operation = _operation(route, answers[id(route)], bodies.get(id(route)))
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Doorward admin API",
            "version": __version__,
            "description": "Administration of a running gateway. Times are seconds since 1970.",
        },
        "servers": [{"url": "/"}],
        "security": [{"operator": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An operator's token, dwa_...",
                }
            },
        },
    }


def _operation(route: Route, answer: dict[str, Any], body: dict[str, Any] | None) -> dict[str, Any]:
    said: dict[str, Any] = {"description": route.summary, "content": {_JSON: {"schema": answer}}}
    if route.changes:
        text = "Why it is stored and not in force yet; left out when it is in force"
        said["headers"] = {PENDING: {"description": text, "schema": {"type": "string"}}}
    failed = {"$ref": _TEMPLATE.format(name="ErrorBody")}
    operation: dict[str, Any] = {
        "operationId": f"{inspect.getmodulename(inspect.getfile(route.run))}.{route.run.__name__}",
        "summary": route.summary,
        "responses": {
            str(route.status): said,
            **{
                status: {"description": text, "content": {_JSON: {"schema": failed}}}
                for status, text in _FAILURES.items()
            },
        },
    }
    if parameters := [*_segments(route), *_query(route)]:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": body}}}
    return operation


def _segments(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _SEGMENT.findall(route.path)
    ]


def _query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    (_,), components = msgspec.json.schema_components([route.query], ref_template=_TEMPLATE)
    properties: dict[str, Any] = components[route.query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
