"""What may be asked: the operator's word and the client's, and what is declared to a server of both."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.wire.asking import KINDS, Objection, Question, covers, declared, judge

ALL = tuple(KINDS.values())
EVERYTHING = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}, "context": {}},
    "roots": {"listChanged": True},
}
FORM = Question("elicitation/create", {"message": "who?", "requestedSchema": {}})
URL = Question("elicitation/create", {"mode": "url", "url": "https://example.com", "message": "go"})
SAMPLE = Question("sampling/createMessage", {"messages": []})
SAMPLE_TOOLS = Question("sampling/createMessage", {"messages": [], "tools": []})
ROOTS = Question("roots/list", {})


@pytest.mark.spec("DW-143")
@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2024-11-05", {"sampling": {}, "roots": {"listChanged": True}}),
        ("2025-06-18", {"elicitation": {"form": {}}, "sampling": {}, "roots": {"listChanged": True}}),
        ("2025-11-25", EVERYTHING),
        ("2026-07-28", EVERYTHING | {"roots": {}}),
    ],
)
def test_a_revision_declares_what_it_has(version: str, expected: dict[str, Any]) -> None:
    assert declared(EVERYTHING, ALL, version) == expected


@pytest.mark.spec("DW-143")
def test_nothing_is_declared_that_the_operator_does_not_allow_or_the_client_cannot() -> None:
    assert declared(EVERYTHING, (), "2025-11-25") == {}
    assert declared(EVERYTHING, ("roots",), "2025-11-25") == {"roots": {"listChanged": True}}
    assert declared({}, ALL, "2025-11-25") == {}
    assert declared({"sampling": True, "roots": None}, ALL, "2025-11-25") == {}


@pytest.mark.spec("DW-143")
def test_a_client_of_urls_only_is_not_declared_to_take_forms() -> None:
    assert declared({"elicitation": {"url": {}}}, ALL, "2025-06-18") == {}
    assert declared({"elicitation": {"url": {}}}, ALL, "2025-11-25") == {"elicitation": {"url": {}}}
    assert declared({"elicitation": {}}, ALL, "2025-06-18") == {"elicitation": {}}


@pytest.mark.spec("DW-143")
def test_what_the_schemas_do_not_know_stays_here() -> None:
    said = {"elicitation": {"form": {}, "telepathy": {}}, "experimental": {"x": {}}, "tasks": {}}
    assert declared(said, ALL, "2025-11-25") == {"elicitation": {"form": {}}}


@pytest.mark.spec("DW-246")
@pytest.mark.parametrize(
    ("question", "capabilities", "may_ask", "expected"),
    [
        (FORM, {"elicitation": {}}, ALL, None),
        (FORM, {"elicitation": {"form": {}}}, ALL, None),
        (FORM, {"elicitation": {"url": {}}}, ALL, Objection.UNDECLARED),
        (FORM, {}, ALL, Objection.UNDECLARED),
        (FORM, {"elicitation": {}}, ("sampling", "roots"), Objection.FORBIDDEN),
        (URL, {"elicitation": {}}, ALL, Objection.UNDECLARED),
        (URL, {"elicitation": {"url": {}}}, ALL, None),
        (SAMPLE, {"sampling": {}}, ALL, None),
        (SAMPLE_TOOLS, {"sampling": {}}, ALL, Objection.UNDECLARED),
        (SAMPLE_TOOLS, {"sampling": {"tools": {}}}, ALL, None),
        (ROOTS, {"roots": {}}, ALL, None),
        (ROOTS, {}, (), Objection.FORBIDDEN),
        (Question("tools/call", {}), EVERYTHING, ALL, Objection.UNKNOWN),
    ],
)
def test_who_may_be_asked_what(
    question: Question, capabilities: dict[str, Any], may_ask: tuple[str, ...], expected: Objection | None
) -> None:
    assert judge(question, capabilities, may_ask, "2025-11-25") is expected


@pytest.mark.spec("DW-082")
def test_the_needed_capability_is_named_as_the_schema_wants_it() -> None:
    assert FORM.needs == {"elicitation": {"form": {}}}
    assert URL.needs == {"elicitation": {"url": {}}}
    assert SAMPLE_TOOLS.needs == {"sampling": {"tools": {}}}
    assert ROOTS.needs == {"roots": {}}
    assert Question("tasks/get", {}).needs == {}


members = st.dictionaries(st.sampled_from(["form", "url", "tools", "context", "listChanged"]), st.just({}))
capabilities = st.dictionaries(st.sampled_from(ALL), members)
versions = st.sampled_from(["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"])


@pytest.mark.spec("DW-143")
@given(capabilities, st.sets(st.sampled_from(ALL)), versions)
def test_what_is_declared_was_declared_and_is_allowed(
    said: dict[str, Any], may_ask: set[str], version: str
) -> None:
    told = declared(said, may_ask, version)
    assert told.keys() <= said.keys() & may_ask
    assert covers(said, told)
    assert declared(told, may_ask, version) == told
