"""The JSON Schema of the document, for editors."""

from typing import Any, Final

from doorward.config.settings import Settings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Draft 2020-12, of the YAML form. Looser than the loader: what spans several sections is not in it."""
    schema: dict[str, Any] = _tidy(Settings.model_json_schema(by_alias=True, mode="validation"))
    return {"$schema": DIALECT, **schema, "title": "doorward.yaml"}


def _tidy(node: Any) -> Any:
    """What pydantic says of our models, made to say what the document's reader and the loader mean.

    Without generated titles; without null, which the loader refuses everywhere; without defaults that are not
    in the document's own form (durations, empty sections); names that match no pattern are refused.
    """
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidied = {
        key: {name: _tidy(value) for name, value in item.items()}
        if key in {"properties", "$defs", "patternProperties"}
        else _tidy(item)
        for key, item in node.items()
        if key != "title" and not (key == "default" and not isinstance(item, str | bool))
    }
    branches = [branch for branch in tidied.get("anyOf", []) if branch != {"type": "null"}]
    if len(branches) == 1:
        del tidied["anyOf"]
        tidied = {**branches[0], **tidied}
    elif branches:
        tidied["anyOf"] = branches
    if "patternProperties" in tidied:
        tidied.setdefault("additionalProperties", False)
    return tidied
