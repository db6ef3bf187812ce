"""Entries as rows for spreadsheets and other programs. Columns are only ever added, at the end.

A cell that a spreadsheet would take for a formula begins with an apostrophe instead: names of tools and
agents are chosen by others (OWASP, CSV injection).
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from doorward.audit.entries import Entry

Cell = str | int | float | None
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - Excel takes the wide ones too


def moment(ts: int) -> str:
    """RFC 3339 in UTC, to the millisecond; the number itself beyond the years that have four digits."""
    try:
        return (_EPOCH + timedelta(milliseconds=ts)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return str(ts)


COLUMNS: Final[dict[str, Callable[[Entry], Cell]]] = {
    "timestamp": lambda entry: moment(entry.ts),
    "kind": lambda entry: entry.how.kind,
    "call": lambda entry: entry.id,
    "number": lambda entry: entry.number,
    "status": lambda entry: entry.how.status,
    "decision": lambda entry: entry.how.decision,
    "reason": lambda entry: entry.how.why,
    "tenant": lambda entry: entry.who.tenant or None,
    "gateway": lambda entry: entry.who.gateway or None,
    "agent": lambda entry: entry.who.agent,
    "actor": lambda entry: entry.who.subject,
    "on_behalf_of": lambda entry: " ".join(entry.who.actors) or None,
    "key": lambda entry: entry.who.key,
    "client": lambda entry: entry.who.client,
    "peer": lambda entry: entry.peer,
    "method": lambda entry: entry.what.method,
    "server": lambda entry: entry.what.server,
    "name": lambda entry: entry.what.name,
    "class": lambda entry: entry.what.op_class,
    "definition": lambda entry: entry.what.definition,
    "rule": lambda entry: entry.how.rules[1] if len(entry.how.rules) > 1 else None,
    "mode": lambda entry: entry.how.mode,
    "policy": lambda entry: entry.how.policy,
    "outcome": lambda entry: entry.how.result,
    "error_code": lambda entry: entry.how.error_code,
    "latency_ms": lambda entry: entry.latency,
    "result_bytes": lambda entry: entry.bytes,
    "args_hmac": lambda entry: entry.args,
    "sent_hmac": lambda entry: entry.sent,
    "result_hmac": lambda entry: entry.result,
    "trace": lambda entry: entry.trace,
    "session": lambda entry: entry.session,
    "during": lambda entry: entry.during,
    "action": lambda entry: entry.how.action,
    "object": lambda entry: entry.object,
    "requests": lambda entry: entry.times,
}
FIELDS: Final[dict[str, Callable[[Entry], Cell]]] = {
    "timestamp": lambda entry: moment(entry.ts),
    "agent_id": lambda entry: entry.who.agent,
    "server_name": lambda entry: entry.what.server,
    "tool_name": lambda entry: entry.what.name,
    "input_hash": lambda entry: entry.args,
    "output_hash": lambda entry: entry.result,
    "session_id": lambda entry: entry.session,
    "user_id": lambda entry: entry.who.subject,
    "latency_ms": lambda entry: entry.latency,
    "status": lambda entry: entry.how.status,
}
"""The form `fields`: all of them in each row, null where there is nothing."""


def row(entry: Entry) -> dict[str, Any]:
    """What `audit query --json` shows of an entry: the columns that have something to say, and all rules."""
    found: dict[str, Any] = {name: value for name, of in COLUMNS.items() if (value := of(entry)) is not None}
    if entry.how.rules:
        found["rules"] = list(entry.how.rules)
    if entry.done is not None:
        found["outcome_number"] = entry.done
    return found


def csv_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """RFC 4180, header first; each without its line end."""
    yield _line(COLUMNS)
    for entry in entries:
        yield _line(of(entry) for of in COLUMNS.values())


def cell(value: Cell) -> str | int | float:
    """As it stands in a CSV file. A number is one of ours, whatever its sign."""
    if not isinstance(value, str):
        return "" if value is None else value
    shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in value)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def _line(values: Iterable[Cell]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([cell(value) for value in values])
    return text.getvalue()
