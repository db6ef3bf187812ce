"""Every row against the official schemas, of which data/methods_from_schemas.py made data/methods.json."""

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.wire import methods
from doorward.wire.versions import LEGACY_VERSIONS, MODERN_VERSIONS

pytestmark = pytest.mark.spec("DW-052")

SCHEMAS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "methods.json").read_text())
ROWS = [(version, name) for version, table in methods.TABLES.items() for name in table]


def test_every_revision_has_a_table() -> None:
    assert tuple(methods.TABLES) == (*LEGACY_VERSIONS, *MODERN_VERSIONS) == tuple(SCHEMAS)


@pytest.mark.parametrize("version", SCHEMAS)
def test_the_methods_are_those_of_the_schema_less_tasks(version: str) -> None:
    known = methods.TABLES[version].keys() | (
        methods.NOT_OFFERED.get(version, frozenset()) & SCHEMAS[version].keys()
    )
    assert known == SCHEMAS[version].keys()
    assert methods.TABLES[version].keys().isdisjoint(methods.NOT_OFFERED.get(version, ()))


@pytest.mark.parametrize(("version", "name"), ROWS)
def test_a_row_says_what_the_schema_says(version: str, name: str) -> None:
    row, schema = methods.TABLES[version][name], SCHEMAS[version][name]
    assert (row.name, row.sender, row.kind) == (name, schema["sender"], schema["kind"])
    if row.name_param is not None:
        assert row.name_param in schema["required"]


@pytest.mark.parametrize("version", SCHEMAS)
def test_what_names_a_target_is_in_the_table(version: str) -> None:
    naming = {"name", "uri", "ref"}
    expected = {name for name, schema in SCHEMAS[version].items() if naming & set(schema["required"])}
    assert {name for name, row in methods.TABLES[version].items() if row.name_param} == expected


def test_lookup_knows_no_other_spelling() -> None:
    assert methods.lookup("2025-11-25", "tools/call") is methods.TABLES["2025-11-25"]["tools/call"]
    for version, name in [
        ("2025-11-25", "Tools/call"),
        ("2025-11-25", "tools/call "),
        ("2025-11-25", "tasks/get"),
        ("2026-07-28", "initialize"),
        ("2026-07-28", "ping"),
        ("2025-11-25", "server/discover"),
        ("2027-01-01", "tools/call"),
        ("", ""),
    ]:
        assert methods.lookup(version, name) is None


def test_what_modern_servers_ask_by_result_is_no_request() -> None:
    assert methods.INPUT_REQUESTS.isdisjoint(methods.TABLES["2026-07-28"])
    assert methods.TABLES["2025-11-25"].keys() >= methods.INPUT_REQUESTS
