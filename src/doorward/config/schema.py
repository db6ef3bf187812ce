"""The JSON Schema of the document, for editors."""

from typing import Any, Final

from doorward.config.settings import Settings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Draft 2020-12, of the YAML form. Looser than the loader: what spans several values is not in it."""
    schema = Settings.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": DIALECT, **schema, "title": "doorward.yaml"}
