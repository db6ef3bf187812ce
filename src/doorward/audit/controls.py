"""Which records are evidence for which requirement: the tables under `mappings/`, for people."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

COLUMNS = ("Requirement", "Asks for", "Evidence in the log", "Find it with", "Not covered")


def frameworks() -> list[Mapping[str, Any]]:
    """Each with `framework`, its name, and `requirement`, its rows; in the order of their file names."""
    tables = sorted(
        resources.files("doorward.audit").joinpath("mappings").iterdir(), key=lambda file: file.name
    )
    return [tomllib.loads(file.read_text("utf-8")) for file in tables if file.name.endswith(".toml")]


def rendered(tables: Sequence[Mapping[str, Any]]) -> str:
    """As one Markdown document."""
    return "\n".join(line for table in tables for line in _section(table))


def _section(table: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {table['framework']}\n"
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{' --- |' * len(COLUMNS)}"
    for row in table["requirement"]:
        query = f"`doorward audit query '{row['query']}'`"
        cells = (row["id"], row["asks"], row["evidence"], query, row["not_covered"] or "-")
        yield f"| {' | '.join(cells)} |"
    yield ""
