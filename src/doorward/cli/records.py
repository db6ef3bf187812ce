"""Audit records in one line each, for people. Fields as `audit/records.py` has them; other kinds stay raw."""

import json
from datetime import UTC, datetime
from typing import Any

from doorward.cli.output import printable


def line(record: dict[str, Any]) -> str:
    """When, what, who and why: `14:02:11 DENY ci-bot tools/call github.merge no_grant 01JD...`."""
    ts = record.get("ts")
    when = datetime.fromtimestamp(ts / 1000, UTC).strftime("%H:%M:%S") if isinstance(ts, int | float) else "-"
    shape = _SHAPES.get(str(record.get("kind")))
    words = [json.dumps(record, ensure_ascii=False)] if shape is None else shape(record)
    return printable(" ".join([when, *(word for word in words if word)])).replace("\n", " ")


def _decision(record: dict[str, Any]) -> list[str]:
    ruling, mcp = _object(record, "decision"), _object(record, "mcp")
    softened = _object(ruling, "softened")
    target = ".".join(str(mcp[part]) for part in ("server", "name") if mcp.get(part))
    would = f"would be denied: {softened.get('reason')}{_rules(softened)}" if softened else ""
    return [
        str(ruling.get("effect", "?")).upper(),
        _who(_object(record, "actor")),
        str(mcp.get("method", "-")),
        target,
        str(ruling.get("reason", "")) + _rules(ruling),
        f"bound by {ruling['bound']}" if ruling.get("bound") else "",
        would,
        str(record.get("call_id", "")),
    ]


def _outcome(record: dict[str, Any]) -> list[str]:
    result, latency = _object(record, "result"), _object(record, "latency_ms")
    took = f"{latency.get('total', '?')} ms, {latency.get('gateway', '?')} of them ours"
    outcome = str(result.get("outcome", "?"))
    return ["OUTCOME", outcome, str(result.get("reason", "")), took, str(record.get("call_id", ""))]


def _refusal(record: dict[str, Any]) -> list[str]:
    count = record.get("count", 1)
    times = f"{count} times" if count != 1 else ""
    why = f"because {record['detail']}" if record.get("detail") else ""
    return ["REFUSED", str(record.get("reason", "?")), "from", str(record.get("peer", "?")), times, why]


def _denials(record: dict[str, Any]) -> list[str]:
    target = ".".join(str(record[part]) for part in ("server", "name") if record.get(part))
    agent, effect = _who(_object(record, "actor")), str(record.get("effect", "?")).upper()
    times = f"{record.get('count', '?')} times more"
    return [effect, agent, str(record.get("method", "-")), target, str(record.get("reason", "?")), times]


def _change(record: dict[str, Any]) -> list[str]:
    by = str(_object(record, "actor").get("subject", "?"))
    return ["CHANGE", str(record.get("action", "?")), str(record.get("object", "?")), "by", by]


def _lifecycle(record: dict[str, Any]) -> list[str]:
    detail = _object(record, "detail")
    shown = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in detail.items()]
    return ["GATEWAY", str(record.get("event", "?")), *shown]


def _segment(record: dict[str, Any]) -> list[str]:
    return ["SEGMENT", str(record.get("number", "?")), "from record", str(record.get("first", "?"))]


def _heartbeat(record: dict[str, Any]) -> list[str]:
    written, size, sealed = (str(record.get(name, "?")) for name in ("records", "size", "checkpoint"))
    return ["HEARTBEAT", written, "records since the last,", size, "in all,", sealed, "under a checkpoint"]


_SHAPES = {
    "decision": _decision,
    "outcome": _outcome,
    "refusal": _refusal,
    "denials": _denials,
    "change": _change,
    "lifecycle": _lifecycle,
    "segment": _segment,
    "heartbeat": _heartbeat,
}


def _who(actor: dict[str, Any]) -> str:
    """The agent, and the human behind it where there is one."""
    agent = str(actor.get("agent", "-"))
    return f"{agent} for {actor.get('subject', '?')}" if actor.get("human") is True else agent


def _rules(ruling: dict[str, Any]) -> str:
    rules = ruling.get("rules")
    # Line 0 is no place in a file: the rule is built in.
    places = [
        f"{rule.get('file')}:{rule.get('line')}"
        for rule in rules or []
        if isinstance(rule, dict) and rule.get("line")
    ]
    return f" at {', '.join(places)}" if places else ""


def _object(record: dict[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}
