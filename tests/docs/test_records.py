"""docs/reference/audit-records.md and audit-record.schema.json say what the structs of audit are."""

import json
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from doorward.audit import records
from doorward.model.verdict import ControlRun, RuleRef
from tests.support.schema import Unpublished, check_record

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import reference  # noqa: E402 - the script lies beside the tests, not in a package

PAGE = (ROOT / "docs/reference/audit-records.md").read_text(encoding="utf-8")
KINDS = typing.get_args(records.AnyRecord)
PARTS: dict[str, type[msgspec.Struct]] = {
    "actor": records.Actor, "delegate": records.Delegate, "mcp": records.Mcp, "way": records.Way,
    "trace": records.Trace, "skipped": records.Skipped, "ruling": records.Ruling,
    "softened": records.Softened, "args": records.Args, "result": records.Result, "latency": records.Latency,
    "control": ControlRun, "rule": RuleRef,
}  # fmt: skip
WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def sections() -> dict[str, dict[str, list[str]]]:
    """By heading: its rows, by field."""
    found: dict[str, dict[str, list[str]]] = {}
    for part in re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        rows = (line.strip("|").split("|", 3) for line in text.splitlines() if line.startswith("| `"))
        found[heading.strip("`")] = {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}
    return found


def said_of(kind: Any) -> str:
    """A type in the words of the page."""
    if kind in WORDS:
        return WORDS[kind]
    for name, struct in PARTS.items():
        if kind is struct:
            return f"[{name}](#{name})"
    if typing.get_origin(kind) is tuple:
        return f"list of {said_of(typing.get_args(kind)[0])}"
    if typing.get_origin(kind) is dict:
        return "object"
    assert isinstance(kind, types.UnionType), kind
    return " or ".join(said_of(each) for each in typing.get_args(kind))


def expected(
    struct: type[msgspec.Struct], without: frozenset[str] = frozenset()
) -> dict[str, tuple[str, bool]]:
    """By field: its type, and whether it may be absent."""
    found = {}
    for field in msgspec.structs.fields(struct):
        if field.encode_name not in without:
            optional = not field.required and struct.__struct_config__.omit_defaults
            word, nullable = said_of(field.type), isinstance(field.type, types.UnionType)
            found[field.encode_name] = (word.removesuffix(" or null") if nullable else word, optional)
    return found


COMMON = frozenset(msgspec.structs.fields(records.Record)[n].encode_name for n in range(5))


@pytest.mark.parametrize(
    ("heading", "struct", "without"),
    [
        *((kind.__struct_config__.tag, kind, COMMON) for kind in KINDS),
        *((name, part, frozenset[str]()) for name, part in PARTS.items()),
    ],
)
def test_each_field_has_its_row(heading: str, struct: type[msgspec.Struct], without: frozenset[str]) -> None:
    rows = sections()[heading]
    fields = expected(struct, without)
    assert list(rows) == list(fields), "in the order in which they are written"
    for name, (word, optional) in fields.items():
        said, absent, meaning = rows[name]
        assert said == word, name
        assert absent.startswith("never") is not optional or absent.startswith("never,"), name
        assert len(meaning) > 3, name


def test_what_all_records_have_is_said_once() -> None:
    assert sections()["All records"].keys() == {"kind", *COMMON}


def test_every_section_is_of_something() -> None:
    tables = {heading for heading, rows in sections().items() if rows}
    assert tables == {"All records", *PARTS, *(kind.__struct_config__.tag for kind in KINDS)}


def test_the_schema_is_the_generated_one() -> None:
    text = (ROOT / "docs/reference/audit-record.schema.json").read_text(encoding="utf-8")
    assert text == reference.record_schema_text(), "run: python scripts/reference.py"


def test_the_schema_is_one_and_knows_each_kind() -> None:
    schema = reference.record_schema()
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.validator_for(schema)
    base = {"v": 2, "id": "0199c8a0-0000-7000-8000-000000000000", "ts": 1, "tenant": "default"}
    good = {"kind": "heartbeat", **base, "records": 1, "size": 2, "checkpoint": 3}
    assert validator.is_valid(good)
    assert validator.is_valid(good | {"to_come": 1}), "a new field is no new version"
    for wrong in ({"kind": "heart"}, {"v": 1}, {"id": "x"}, {"size": "2"}, {"ts": None}):
        assert not validator.is_valid(good | wrong), wrong
    for name in good:
        assert not validator.is_valid({key: value for key, value in good.items() if key != name}), name


def test_the_playbooks_notice_a_field_that_is_not_published() -> None:
    base = {
        "kind": "segment",
        "v": 2,
        "id": "0199c8a0-0000-7000-8000-000000000000",
        "ts": 1,
        "tenant": "default",
    }
    good = {**base, "number": 1, "first": 0, "root": ""}
    check_record(good)
    for wrong in ({"more": 1}, {"number": "1"}, {"kind": "nothing"}):
        with pytest.raises(Unpublished):
            check_record(good | wrong)


def test_the_example_of_version_is_the_one_in_force() -> None:
    assert f"`v` is {records.VERSION}" in PAGE
    assert json.loads(sections()["All records"]["v"][2].rpartition(" ")[2].strip("`")) == records.VERSION
