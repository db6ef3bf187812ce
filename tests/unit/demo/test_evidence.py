from typing import Any

import pytest

from doorward.demo.evidence import Row, differences, rows_of


def decision(call_id: str = "1", *, effect: str = "permit", **over: Any) -> dict[str, Any]:
    return {
        "kind": "decision",
        "ts": 1_800_000_000_000,
        "call_id": call_id,
        "actor": {"agent": "analyst", "subject": "key:x", "method": "key"},
        "mcp": {"method": "tools/call", "version": "2025-11-25", "server": "crm", "name": "find_customers"},
        "decision": {"effect": effect, "rules": [{"id": "r1", "file": "doorward.yaml", "line": 17}]},
    } | over


def outcome(call_id: str = "1") -> dict[str, Any]:
    return {"kind": "outcome", "call_id": call_id, "result": {"outcome": "ok"}}


def made(**over: Any) -> dict[str, Any]:
    return {
        "agent": "analyst",
        "tool": "crm__find_customers",
        "effect": "permit",
        "line": None,
        "revision": "2025-11-25",
    } | over


def test_a_row_joins_decision_and_outcome() -> None:
    assert rows_of([decision(), outcome()]) == [
        Row("08:00:00", "2025-11-25", "analyst", "crm__find_customers", "permit", "doorward.yaml:17", "ok")
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "lifecycle", "event": "started"},
        decision(mcp={"method": "tools/list", "transport": "http"}),
        {name: value for name, value in decision().items() if name != "mcp"},
    ],
)
def test_only_tool_calls_become_rows(record: dict[str, Any]) -> None:
    assert rows_of([record]) == []


def test_agreement_has_no_differences() -> None:
    rows = rows_of([decision("1"), outcome("1"), decision("2", effect="deny")])

    assert differences(rows, [made(), made(effect="deny", line=17)]) == []


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (made(agent="clerk"), "on record as analyst"),
        (made(tool="crm__get_customer"), "on record as analyst crm__find_customers"),
        (made(effect="deny"), "on record as analyst crm__find_customers (permit, 2025-11-25)"),
        (made(revision="2026-07-28"), "(permit, 2025-11-25)"),
        (made(line=18), "broke the rule at line 18, on record is doorward.yaml:17"),
    ],
)
def test_every_difference_is_named(call: dict[str, Any], says: str) -> None:
    (found,) = differences(rows_of([decision(), outcome()]), [call])

    assert says in found


def test_a_missing_record_and_a_missing_outcome_are_differences() -> None:
    assert differences([], [made()]) == ["1 calls were made, 0 are on record"]
    assert "has the outcome -" in differences(rows_of([decision()]), [made()])[0]


def test_an_outcome_of_a_denied_call_is_a_difference() -> None:
    rows = rows_of([decision(effect="deny"), outcome()])

    assert "has the outcome ok" in differences(rows, [made(effect="deny")])[0]
