"""Records that tests see written are held against the published schema, and have no field that it lacks."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "reference" / "audit-record.schema.json"


class Unpublished(BaseException):
    """No Exception: the pipeline would answer that, as any bug, and the test would go on."""


@cache
def _validator() -> Any:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    for struct in schema["$defs"].values():
        struct["additionalProperties"] = False
    return jsonschema_rs.validator_for(schema)


def check_record(record: dict[str, Any]) -> None:
    """Raises Unpublished, naming what is wrong and where."""
    faults = [(list(fault.instance_path), fault.message) for fault in _validator().iter_errors(record)]
    if faults:
        raise Unpublished(faults, record)
