import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.cli import wiring
from doorward.cli.main import main
from doorward.cli.records import line
from doorward.config.load import Loaded

TS = 1_700_000_000_000  # 22:13:20 UTC
RULE = {"id": "agents.a.tools.deny[0]", "file": "doorward.yaml", "line": 47}


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (
            {"kind": "segment", "number": 2, "first": 40_000},
            "22:13:20 SEGMENT 2 from record 40000",
        ),
        (
            {"kind": "heartbeat", "records": 7, "size": 107, "checkpoint": 100},
            "22:13:20 HEARTBEAT 7 records since the last, 107 in all, 100 under a checkpoint",
        ),
        (
            {
                "kind": "decision",
                "call_id": "c1",
                "actor": {"agent": "ci-bot"},
                "mcp": {"method": "tools/call", "server": "github", "name": "merge"},
                "decision": {"effect": "deny", "reason": "denied_by_rule", "rules": [RULE]},
            },
            "22:13:20 DENY ci-bot tools/call github.merge denied_by_rule at doorward.yaml:47 c1",
        ),
        (
            {
                "kind": "decision",
                "call_id": "c1",
                "actor": {"agent": "ci-bot"},
                "mcp": {"method": "tools/list"},
                "decision": {"effect": "permit", "softened": {"reason": "no_grant"}},
            },
            "22:13:20 PERMIT ci-bot tools/list would be denied: no_grant c1",
        ),
        (
            {
                "kind": "outcome",
                "call_id": "c1",
                "result": {"outcome": "ok"},
                "latency_ms": {"total": 12.5, "upstream": 12, "gateway": 0.5},
            },
            "22:13:20 OUTCOME ok 12.5 ms, 0.5 of them ours c1",
        ),
        (
            {
                "kind": "denials",
                "actor": {"agent": "ci-bot"},
                "effect": "deny",
                "reason": "no_grant",
                "count": 150,
                "method": "tools/call",
                "server": "github",
                "name": "merge",
            },
            "22:13:20 DENY ci-bot tools/call github.merge no_grant 150 times more",
        ),
        (
            {"kind": "refusal", "reason": "credential_missing", "peer": "192.0.2.0/24", "count": 7},
            "22:13:20 REFUSED credential_missing from 192.0.2.0/24 7 times",
        ),
        (
            {
                "kind": "refusal",
                "reason": "credential_invalid",
                "peer": "192.0.2.0/24",
                "detail": "it is\nold",
            },
            "22:13:20 REFUSED credential_invalid from 192.0.2.0/24 because it is old",
        ),
        (
            {
                "kind": "decision",
                "call_id": "c1",
                "actor": {"agent": "desk", "subject": "anna", "human": True},
                "mcp": {"method": "tools/call", "server": "crm", "name": "delete_customer"},
                "decision": {"effect": "deny", "reason": "no_grant", "bound": "people"},
            },
            "22:13:20 DENY desk for anna tools/call crm.delete_customer no_grant bound by people c1",
        ),
        (
            {"kind": "change", "action": "key:create", "object": "k1", "actor": {"subject": "me"}},
            "22:13:20 CHANGE key:create k1 by me",
        ),
        (
            {"kind": "lifecycle", "event": "started", "detail": {"pid": 7}},
            "22:13:20 GATEWAY started pid=7",
        ),
        ({"kind": "new\x1b[2J"}, '22:13:20 {"kind": "new\\u001b[2J", "ts": 1700000000000}'),
    ],
)
def test_a_record_is_a_line(record: dict[str, Any], shown: str) -> None:
    assert line(record | {"ts": TS}) == shown


@given(
    st.sampled_from(["decision", "outcome", "refusal", "denials", "change", "lifecycle", "other"]),
    st.dictionaries(
        st.sampled_from(["decision", "mcp", "actor", "result", "latency_ms", "detail", "rules", "count"]),
        st.none() | st.text() | st.integers() | st.dictionaries(st.text(), st.text()) | st.lists(st.text()),
    ),
)
def test_any_shape_is_one_printable_line(kind: str, members: dict[str, Any]) -> None:
    shown = line({"kind": kind, "ts": TS, **members})
    assert "\x1b" not in shown
    assert "\n" not in shown


def test_tail_prints_lines_or_the_records_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[bool, int]] = []
    record = json.dumps({"kind": "lifecycle", "ts": TS, "event": "started"}).encode()

    def audit_tail(loaded: Loaded, follow: bool, count: int, wanted: object) -> Iterator[bytes]:
        assert wanted is None
        seen.append((follow, count))
        yield record

    (tmp_path / "c.yaml").write_text("version: 1\n")
    monkeypatch.setattr(wiring, "audit_tail", audit_tail)
    config = str(tmp_path / "c.yaml")
    assert main(["audit", "tail", "-c", config]) == 0
    assert capsys.readouterr().out == "22:13:20 GATEWAY started\n"
    assert main(["audit", "tail", "-f", "-n", "3", "--json", "-c", config]) == 0
    assert capsys.readouterr().out.encode() == record + b"\n"
    assert seen == [(False, 20), (True, 3)]
    assert main(["audit", "tail", "-n", "x", "-c", config]) == 2
