"""Everything that the log knows of one call, or of one record that is none."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from doorward.app.queries import Place, numbers_of, opened
from doorward.audit.entries import Entry
from doorward.audit.filters import Filter, Term
from doorward.audit.tabular import row
from doorward.backends.files.index import AuditIndex
from doorward.backends.files.lookup import find_record, records_at

MOST: Final = 20
"""Calls that are told of beside the one."""
_SHORTEST: Final = 6
"""Characters by which a call can be named."""
_CONFIGURED: Final = Term("action", "=", ("config:replace", "policy:replace"))


class NotFound(LookupError):
    """No record has this id; the text says what comes close."""


@dataclass(frozen=True, slots=True)
class Told:
    """All of it."""

    entry: dict[str, Any]
    """As `audit.tabular.row` makes it."""
    records: list[tuple[int, dict[str, Any]]]
    """Its records with their numbers, as they stand in the log."""
    during: list[dict[str, Any]]
    """The call that it belongs to, and the questions that were asked while it ran."""
    configured: dict[str, Any] | None
    """The change by which the configuration came into force that judged it, if the log has it."""


def show(place: Place, record_id: str) -> Told:
    """`record_id`: of a call or of any record; the beginning of one if only one call begins so.

    Raises NotFound, NoLog, OSError, GatewayError(AUDIT_UNAVAILABLE).
    """
    with opened(place) as (index, _):
        entry = _entry(index, place, record_id)
        records = [
            (found.number, _object(found.record)) for found in records_at(place.log, numbers_of([entry]))
        ]
        related = _with(index, "during", entry.id)
        if entry.during is not None:
            related = [*_with(index, "call", entry.during), *related]
        return Told(row(entry), records, [row(each) for each in related], _configured(index, entry))


def _entry(index: AuditIndex, place: Place, record_id: str) -> Entry:
    # A star would stand for any text.
    found = [] if "*" in record_id else _with(index, "call", record_id)
    # The caller of a denial that was rolled up was told an id that only the count has, if any has.
    found = found or ([] if "*" in record_id else _with(index, "object", record_id))
    if found:
        return found[0]
    near = (
        _with(index, "call", f"{record_id}*") if len(record_id) >= _SHORTEST and "*" not in record_id else []
    )
    if len(near) == 1:
        return near[0]
    if near:
        raise NotFound(f"several calls begin with {record_id}: {', '.join(each.id for each in near[:5])}")
    record = find_record(place.log, record_id)
    if record is None:
        raise NotFound(f"no record of {place.log} has the id {record_id}")
    call = _object(record.record).get("call_id")
    found = _with(index, "call", call) if isinstance(call, str) else []
    if not found:
        raise NotFound(f"record {record.number} has the id {record_id}, and nothing else that is known of it")
    return found[0]


def _with(index: AuditIndex, field: str, value: str) -> list[Entry]:
    wanted = Filter((Term(field, "=", (value,)),))
    return list(index.find(wanted, limit=MOST, newest_first=False))


def _configured(index: AuditIndex, entry: Entry) -> dict[str, Any] | None:
    if entry.how.policy is None:
        return None
    wanted = Filter((_CONFIGURED,), until=entry.ts + 1)
    return next(map(row, index.find(wanted, limit=1)), None)


def _object(record: bytes) -> dict[str, Any]:
    """Empty for what is no JSON object."""
    try:
        found = msgspec.json.decode(record)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
