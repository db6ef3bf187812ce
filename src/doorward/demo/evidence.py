"""The audit log's word against the agents' own: a decision record per call, an outcome per call sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

Json = Mapping[str, Any]

SENT: Final = "permit"


@dataclass(frozen=True)
class Row:
    """One call as the log tells it. `rule` is file:line, empty when no rule was involved; so is `tool`, when
    there is no such tool."""

    time: str
    revision: str
    agent: str
    tool: str
    effect: str
    rule: str
    outcome: str


def rows_of(records: Sequence[Json]) -> list[Row]:
    """Every tool call in the records, oldest first."""
    outcomes = {
        record["call_id"]: record["result"]["outcome"] for record in records if record["kind"] == "outcome"
    }
    return [_row(record, outcomes) for record in records if _is_call(record)]


def differences(rows: Sequence[Row], made: Sequence[Json]) -> list[str]:
    """What the log says otherwise than the agents; empty when it has exactly their calls, in order."""
    found = [] if len(rows) == len(made) else [f"{len(made)} calls were made, {len(rows)} are on record"]
    for row, call in zip(rows, made, strict=False):
        what = f"{call['agent']} {call['tool']}"
        told = (row.agent, row.tool or call["tool"], row.effect, row.revision)
        if told != (call["agent"], call["tool"], call["effect"], call["revision"]):
            wanted = f"{what} ({call['effect']}, {call['revision']})"
            found.append(f"{wanted} is on record as {row.agent} {row.tool} ({row.effect}, {row.revision})")
        if call["line"] is not None and not row.rule.endswith(f":{call['line']}"):
            found.append(f"{what} broke the rule at line {call['line']}, on record is {row.rule or 'none'}")
        if (row.effect == SENT) != (row.outcome == "ok"):
            found.append(f"{what} ({row.effect}) has the outcome {row.outcome}")
    return found


def _is_call(record: Json) -> bool:
    return bool(record["kind"] == "decision" and record.get("mcp", {}).get("method") == "tools/call")


def _row(record: Json, outcomes: Mapping[str, str]) -> Row:
    mcp, decision = record["mcp"], record["decision"]
    server, name = mcp.get("server"), mcp.get("name") or ""
    rules = [f"{rule['file']}:{rule['line']}" for rule in decision.get("rules") or ()]
    return Row(
        time=datetime.fromtimestamp(record["ts"] / 1000, UTC).strftime("%H:%M:%S"),
        revision=mcp["version"],
        agent=record["actor"]["agent"],
        tool=f"{server}__{name}" if server else name,
        effect=decision["effect"],
        rule=rules[0] if rules else "",
        outcome=outcomes.get(record["call_id"], "-"),
    )
