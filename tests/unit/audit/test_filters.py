from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit.controls import frameworks
from doorward.audit.filters import FIELDS, Filter, FilterError, Term, glob, parse

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("tool=crm.*", (Term("tool", "=", ("crm.*",)),)),
        ("decision!=permit", (Term("decision", "!=", ("permit",)),)),
        ("agent=a,b key=k", (Term("agent", "=", ("a", "b")), Term("key", "=", ("k",)))),
        ("actor='Alice B'", (Term("actor", "=", ("Alice B",)),)),
        ('client="x y"/1', (Term("client", "=", ("x y/1",)),)),
        ("subject=x user=y", (Term("actor", "=", ("x",)), Term("actor", "=", ("y",)))),
        ("id=x event=y", (Term("call", "=", ("x",)), Term("action", "=", ("y",)))),
        ("latency>=12.5", (Term("latency", ">=", ("12.5",)),)),
        ("min_latency=100", (Term("latency", ">=", ("100.0",)),)),
        ("max-latency=200", (Term("latency", "<=", ("200.0",)),)),
        ("number=7 bytes<=8", (Term("number", "=", ("7.0",)), Term("bytes", "<=", ("8.0",)))),
        ("Tool=a=b", (Term("tool", "=", ("a=b",)),)),
    ],
)  # fmt: skip
def test_words_become_conditions(text: str, terms: tuple[Term, ...]) -> None:
    assert parse(text, NOW) == Filter(terms)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90d", int(NOW * 1000) - 90 * DAY_MS),
        ("12h", int(NOW * 1000) - DAY_MS // 2),
        ("2026-11-20", int(NOW * 1000) - DAY_MS // 2 * 3),
        ("2026-11-21T12:00:00Z", int(NOW * 1000)),
        ("2026-11-21T13:00:00.250+01:00", int(NOW * 1000) + 250),
        ("2026-11-21T12:00:00", int(NOW * 1000)),
    ],
)
def test_times_are_spans_or_moments(text: str, moment: int) -> None:
    assert parse(f"since={text}", NOW) == Filter(since=moment)
    assert parse(f"until={text}", NOW) == Filter(until=moment)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alice", "'alice' is no condition: write name=value"),
        ("tol=x", "there is nothing called 'tol': did you mean tool?"),
        ("decison=deny", "did you mean decision?"),
        ("qqqqqqqq=x", "known are kind, tool"),
        ("tool=", "tool= has no value"),
        ("tool=,", "tool= has no value"),
        ("tool>=3", "tool is no number: write tool=value"),
        ("latency>=fast", "latency is a number, and 'fast' is none"),
        ("latency>=nan", "latency is a number, and 'nan' is none"),
        ("bytes=1e999", "bytes is a number, and '1e999' is none"),
        ("min_latency>=3", "write min_latency=MILLISECONDS"),
        ("since=yesterday", "'yesterday' is no time: write 90d, 2026-07-01"),
        ("since=2026-02-30", "is no time"),
        ("since!=1d", "write since=TIME, once"),
        ("since=1d since=2d", "write since=TIME, once"),
        ("tool='x", "a quote or a backslash"),
    ],
)
def test_what_is_no_filter_is_told_what_to_write(text: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, NOW)
    assert said in str(caught.value)


@given(st.text() | st.from_regex(r"([a-z_]{1,9}(!=|>=|<=|=)[^ ]{0,9} ?){1,3}", fullmatch=True))
def test_any_text_is_a_filter_or_an_error_that_says_so(text: str) -> None:
    try:
        found = parse(text, NOW)
    except FilterError:
        return
    assert all(term.field in FIELDS and term.values for term in found.terms)


@given(st.text("ab*[?.\n"), st.text("ab[?.\n"))
def test_only_a_star_is_special(pattern: str, text: str) -> None:
    assert glob(text).fullmatch(text)
    parts = pattern.split("*")
    if len(parts) == 1:
        assert bool(glob(pattern).fullmatch(text)) is (pattern == text)
    else:
        assert glob(pattern).fullmatch(text.join(parts))


def test_every_query_of_the_control_mappings_is_one() -> None:
    queries = [row["query"] for table in frameworks() for row in table["requirement"]]
    assert len(queries) > 25
    for query in queries:
        assert parse(query, NOW).terms
