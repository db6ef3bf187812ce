"""What retention lets go of, and when."""

import math

import pytest

from doorward.audit.keep import Due, Retention, Span, class_of, due
from tests.unit.backends.files.logs import line, record

DAY = 86_400.0
NOW = 1_800_000_000.0


def ago(days: float) -> int:
    return int((NOW - days * DAY) * 1000)


@pytest.mark.parametrize(
    ("kind", "members", "expected"),
    [
        ("decision", {}, "decisions"),
        ("outcome", {}, "decisions"),
        ("refusal", {}, "decisions"),
        ("denials", {}, "decisions"),
        ("heartbeat", {}, "decisions"),
        ("change", {"action": "key:create", "object": "x"}, "changes"),
        ("change", {"action": "secret:rotate", "object": "pepper"}, "changes"),
        ("change", {"action": "secret:rotate", "object": "checkpoints"}, None),
        ("change", {"action": 7}, None),
        ("lifecycle", {"event": "started"}, "changes"),
        ("lifecycle", {"event": "segment_pruned"}, None),
        ("segment", {"first": 1}, None),
        ("something_new", {}, None),
    ],
)
def test_each_kind_has_its_class_and_what_the_rest_depends_on_has_none(
    kind: str, members: dict[str, object], expected: str | None
) -> None:
    assert class_of(line(record(kind, 0, **members))) == expected


@pytest.mark.parametrize("junk", [b"", b"{}", b'{"kind":"change"', b'{"kind":"decision\xff', b"\x00\xff"])
def test_what_is_no_record_stays(junk: bytes) -> None:
    assert class_of(junk) is None


def test_a_segment_loses_a_class_once_all_of_it_is_older() -> None:
    keep = Retention(decisions=400 * DAY, changes=7 * 366 * DAY)
    spans = [
        Span(1, ago(3000)),
        Span(2, ago(401), frozenset({"decisions"})),
        Span(3, ago(401)),
        Span(4, ago(400)),
        Span(5, ago(399.99)),
    ]
    assert due(spans, keep, NOW) == [
        Due(1, frozenset({"decisions", "changes"})),
        Due(3, frozenset({"decisions"})),
    ]
    assert due([Span(1, ago(3000), frozenset({"decisions"}))], keep, NOW) == [Due(1, frozenset({"changes"}))]


def test_for_ever_is_for_ever() -> None:
    assert due([Span(1, 0)], Retention(), NOW) == []
    assert due([Span(1, 0)], Retention(changes=DAY), NOW) == [Due(1, frozenset({"changes"}))]


@pytest.mark.parametrize(
    ("keep", "days"),
    [
        (Retention(400 * DAY, 2500 * DAY), 31),
        (Retention(30 * DAY, math.inf), 3),
        (Retention(400 * DAY, DAY), 0.1),
        (Retention(60.0, 60.0), 1 / 24),
        (Retention(), 31),
    ],
)
def test_an_open_segment_is_closed_in_time(keep: Retention, days: float) -> None:
    assert keep.open_for == days * DAY
