"""What an intermediary owes the protocol (requirements/*.toml) and which tests show it (marker `spec`).

A new test of the protocol names the requirement that it shows; where there is none yet, it gets a row in the
file of its chapter, and `python -m tests.spec.page` writes the page anew.

A test carries `@pytest.mark.spec("DW-001", ...)`, a whole file `pytestmark = pytest.mark.spec(...)`. Both are
read from the source, so that the check costs no collection of five thousand tests.
"""

import ast
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
REQUIREMENTS = Path(__file__).with_name("requirements")
REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
SHORT = {"all": REVISIONS, "legacy": REVISIONS[:4], "modern": REVISIONS[4:], "none": ()}
LEVELS = ("must", "should", "may", "house")
"""`house`: our own rule where the specification is silent, or what others got wrong."""

PROTOCOL = (
    "spec/**/test_*.py",
    "unit/wire/test_*.py",
    "playbook/test_aggregate.py",
    "playbook/test_asking.py",
    "playbook/test_batches.py",
    "playbook/test_cancelling.py",
    "playbook/test_hidden.py",
    "playbook/test_large.py",
    "playbook/test_listening.py",
    "playbook/test_lists.py",
    "playbook/test_refusals.py",
    "playbook/test_stdio.py",
    "unit/edge/test_guard.py",
    "unit/edge/test_replay.py",
    "unit/edge/test_streams.py",
    "unit/pipeline/test_batch.py",
    "unit/pipeline/test_inflight.py",
    "unit/pipeline/test_listens.py",
    "unit/pipeline/test_lists.py",
    "attack/test_asking.py",
    "attack/test_upstream_http.py",
    "attack/test_upstream_listening.py",
)
"""Files, under tests/, whose every test must say which requirement it shows."""

_ID = re.compile(r"DW-[0-9]{3}")
_SKIPPED = {"node_modules", "__pycache__"}


@dataclass(frozen=True)
class Requirement:
    """One row. `source` names the section of the specification, RFC or brief; `note` says where we differ."""

    id: str
    chapter: str
    text: str
    level: str
    source: str
    revisions: tuple[str, ...]
    note: str = ""


@dataclass
class Proofs:
    """What the tests say of themselves, as paths under tests/ with the function's name."""

    shown: dict[str, list[str]] = field(default_factory=dict)
    """Test functions by requirement."""
    unmarked: list[str] = field(default_factory=list)
    """Protocol tests that name no requirement."""


def requirements(folder: Path = REQUIREMENTS) -> dict[str, Requirement]:
    """All rows in the order of their files. Raises ValueError for a row that is not one."""
    found: dict[str, Requirement] = {}
    for file in sorted(folder.glob("*.toml")):
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        for name, row in document["requirements"].items():
            if name in found:
                raise ValueError(f"{name} stands in {file.name} and in {found[name].chapter}")
            found[name] = _requirement(name, document["title"], row)
    return found


def _requirement(name: str, chapter: str, row: Mapping[str, str]) -> Requirement:
    unknown = row.keys() - {"text", "level", "source", "revisions", "note"}
    if unknown:
        raise ValueError(f"{name} has {', '.join(sorted(unknown))}")
    for key in ("text", "level", "source", "revisions"):
        if not row.get(key):
            raise ValueError(f"{name} has no {key}")
    if not _ID.fullmatch(name):
        raise ValueError(f"{name} is no id")
    if row["level"] not in LEVELS:
        raise ValueError(f"{name} has the level {row['level']}")
    said = row["revisions"]
    revisions = SHORT.get(said) or tuple(said.split(", "))
    if said != "none" and not set(revisions) <= set(REVISIONS):
        raise ValueError(f"{name} has the revisions {said}")
    return Requirement(
        name, chapter, row["text"], row["level"], row["source"], revisions, row.get("note", "")
    )


def proofs(tests: Path = TESTS, protocol: tuple[str, ...] = PROTOCOL) -> Proofs:
    """Read from every test file below `tests`."""
    found = Proofs()
    strict = {file for pattern in protocol for file in tests.glob(pattern)}
    for file in sorted(_files(tests)):
        _read(file, file.relative_to(tests).as_posix(), file in strict, found)
    return found


def _files(tests: Path) -> Iterator[Path]:
    """Test files, without going into what npm has put between them."""
    for folder, inner, names in os.walk(tests):
        inner[:] = [name for name in inner if name not in _SKIPPED]
        yield from (Path(folder, name) for name in names if name.startswith("test_") and name.endswith(".py"))


def _read(file: Path, shown_as: str, strict: bool, found: Proofs) -> None:
    text = file.read_text(encoding="utf-8")
    if not strict and "mark.spec" not in text:
        return
    tree = ast.parse(text)
    of_all = [mark for node in tree.body if "pytestmark" in _assigned(node) for mark in _marks(node)]
    named = {name: list(_marks(node)) for node in tree.body for name in _assigned(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            own = [
                mark
                for one in node.decorator_list
                for mark in (*_marks(one), *named.get(ast.unparse(one), ()))
            ]
            test = f"{shown_as}::{node.name}"
            for mark in dict.fromkeys(of_all + own):
                found.shown.setdefault(mark, []).append(test)
            if strict and not of_all and not own:
                found.unmarked.append(test)


def _assigned(node: ast.stmt) -> list[str]:
    """The names that a statement of the module gives to something."""
    if not isinstance(node, ast.Assign):
        return []
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _marks(node: ast.AST) -> Iterator[str]:
    """The arguments of every `pytest.mark.spec(...)` in it. Raises ValueError for one that is no literal."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.spec":
            for argument in each.args:
                if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                    raise ValueError(f"line {each.lineno}: a requirement is named by a literal")  # noqa: TRY004 - of a file
                yield argument.value


def faults(known: Mapping[str, Requirement], said: Proofs) -> Iterator[str]:
    """What is missing in either direction, one sentence each."""
    for name in known:
        if name not in said.shown:
            yield f"{name} is shown by no test: {known[name].text}"
    for name, tests in said.shown.items():
        if name not in known:
            yield f"{name} is no requirement, though {tests[0]} shows it"
    yield from (f"{test} is a protocol test and names no requirement" for test in said.unmarked)
