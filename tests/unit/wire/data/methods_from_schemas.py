"""Writes methods.json beside it from the official JSON schemas of modelcontextprotocol/modelcontextprotocol.

Usage: python methods_from_schemas.py DIRECTORY, where <version>.json there is schema/<version>/schema.json.
The committed methods.json was made at commit b0f60ba5409db7a6582440a7b473cc0398890f15.
"""

import json
import sys
from pathlib import Path
from typing import Any

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
UNIONS = {
    "ClientRequest": ("client", "request"),
    "ServerRequest": ("server", "request"),
    "ClientNotification": ("client", "notification"),
    "ServerNotification": ("server", "notification"),
}


def methods(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Method to sender, kind and required params, as the four unions of the schema name them."""
    definitions = schema.get("definitions") or schema["$defs"]
    found: dict[str, dict[str, Any]] = {}
    for union, (sender, kind) in UNIONS.items():
        for member in members(definitions, union):
            name = member["properties"]["method"]["const"]
            row = found.setdefault(
                name, {"sender": sender, "kind": kind, "required": required(definitions, member)}
            )
            if row["sender"] != sender:
                row["sender"] = "both"
    return dict(sorted(found.items()))


def members(definitions: dict[str, Any], union: str) -> list[dict[str, Any]]:
    body = definitions.get(union)
    if body is None:
        return []
    if "anyOf" not in body:  # a union of one is written as its only member
        return [body]
    return [resolve(definitions, one) for one in body["anyOf"]]


def required(definitions: dict[str, Any], member: dict[str, Any]) -> list[str]:
    params = member["properties"].get("params", {})
    return sorted(resolve(definitions, params).get("required", []))


def resolve(definitions: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    return definitions[node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node


def main(folder: Path) -> None:
    table = {version: methods(json.loads((folder / f"{version}.json").read_text())) for version in VERSIONS}
    Path(__file__).with_name("methods.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
