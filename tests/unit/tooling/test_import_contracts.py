"""The contracts in pyproject.toml catch what they are there to catch, in graphs drawn by hand."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from grimp import ImportGraph

from scripts.import_contracts import MayImport, NoIO, Strangers

CONTRACTS = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
TYPES = {"may_import": MayImport, "no_io": NoIO, "strangers": Strangers}


def problems(contract_type: str, *imports: str, alone: tuple[str, ...] = ()) -> list[str]:
    """What the contract says about a doorward of these imports, written `wire.parse > model.call`.

    A name that starts with a colon is outside doorward: `wire.parse > :socket`.
    """
    graph = ImportGraph()
    graph.add_module("doorward")
    graph.add_module("doorward.stages")
    for name in alone:
        graph.add_module(f"doorward.{name}")
    for line in imports:
        importer, imported = (_full(name) for name in line.split(" > "))
        for module in (importer, imported):
            if module not in graph.modules:
                graph.add_module(module, is_squashed=not module.startswith("doorward"))
        graph.add_import(importer=importer, imported=imported, line_number=7, line_contents=line)
    (options,) = (c for c in CONTRACTS if c["type"] == contract_type)
    contract: Any = TYPES[contract_type](
        name=options["name"],
        session_options={"root_packages": ["doorward"]},
        contract_options={key: value for key, value in options.items() if key not in {"name", "type"}},
    )
    check = contract.check(graph, verbose=False)
    found: list[str] = check.metadata["problems"]
    assert check.kept == (not found)
    return found


def _full(name: str) -> str:
    return name[1:] if name.startswith(":") else f"doorward.{name}".rstrip(".")


@pytest.mark.parametrize(
    "line",
    [
        "wire.parse > model.call",
        "wire.parse > wire.tables",
        "pipeline.run > stages.rate",
        "pipeline.run > policy",
        "cli.main > app",
        "cli.main > inventory.discover",
        "app > backends.sql",
        "app > demo.servers",
        "__main__ > cli.main",
        "edge.h1 > pipeline.request",
        "model.call > ",  # doorward itself holds the version only
        "backends.sql > :sqlalchemy",
        "demo.agent > :mcp",
    ],
)
def test_the_table_allows(line: str) -> None:
    assert problems("may_import", line) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("wire.parse > policy.cedar", "wire may not import policy"),
        ("model.call > wire", "model may not import wire"),
        ("pipeline.run > upstream.http", "pipeline may not import upstream"),
        ("pipeline.run > identity", "pipeline may not import identity"),
        ("stages.rate > policy", "stages may not import policy"),
        ("edge.h1 > policy", "edge may not import policy"),
        ("control.keys > backends.sql", "control may not import backends"),
        ("api.keys > backends.sql", "api may not import backends"),
        ("cli.main > backends.sql", "cli may not import backends"),
        ("demo.agent > model.call", "demo may not import model"),
        ("backends.sql > app", "backends may not import app"),
        (" > model.call", "doorward may not import model"),
    ],
)
def test_the_table_forbids(line: str, problem: str) -> None:
    (found,) = problems("may_import", line)
    assert found.endswith(problem)
    assert ":7 imports " in found


def test_a_package_without_a_row_is_an_error() -> None:
    assert problems("may_import", alone=("helpers", "helpers.text")) == [
        "doorward.helpers.text: the table has no row for helpers",
        "doorward.helpers: the table has no row for helpers",
    ]


@pytest.mark.parametrize(
    "line",
    ["wire.parse > :msgspec", "policy.cedar > :cedarpy", "config.load > :ruamel", "wire.parse > :re"],
)
def test_a_pure_package_may_compute(line: str) -> None:
    assert problems("no_io", line) == []


@pytest.mark.parametrize("package", ["model", "wire", "policy", "detect", "config", "ports"])
@pytest.mark.parametrize("library", ["asyncio", "socket", "sqlalchemy", "uvloop", "httptools", "subprocess"])
def test_a_pure_package_does_no_io(package: str, library: str) -> None:
    (found,) = problems("no_io", f"{package}.thing > :{library}")
    assert found.startswith(f"doorward.{package}.thing:7 imports {library}: ")


def test_others_do_io() -> None:
    assert problems("no_io", "edge.h1 > :asyncio", "backends.sql > :sqlalchemy") == []


def test_stages_do_not_know_each_other() -> None:
    assert problems("strangers", "stages.rate > stages.pii") == [
        "doorward.stages.rate:7 imports doorward.stages.pii: rate may not know pii"
    ]


def test_stages_do_not_meet_in_their_package() -> None:
    found = problems("strangers", "stages.rate > stages", "stages > stages.pii")
    assert found == ["doorward.stages.rate:7 imports doorward.stages: rate may not know doorward.stages"]


def test_stages_share_helpers() -> None:
    assert (
        problems(
            "strangers",
            "stages.rate > stages._window",
            "stages.rate > stages",
            "stages.pii.scan > stages.pii.names",
            "pipeline.order > stages.pii",
        )
        == []
    )
