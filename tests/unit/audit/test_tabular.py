import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit.entries import Entry, How, What, Who
from doorward.audit.tabular import COLUMNS, FIELDS, cell, csv_lines, moment, row
from tests.unit.audit.test_matching import BEAT, CALL

PROMISED = """
timestamp kind call number status decision reason tenant gateway agent actor on_behalf_of key client peer
method server name class definition rule mode policy outcome error_code latency_ms result_bytes args_hmac
sent_hmac result_hmac trace session during action object requests
"""
PROMISED_FIELDS = """
timestamp agent_id server_name tool_name input_hash output_hash session_id user_id latency_ms status
"""


def test_columns_are_a_promise() -> None:
    assert list(COLUMNS) == PROMISED.split()
    assert list(FIELDS) == PROMISED_FIELDS.split()


def test_a_call_is_a_line() -> None:
    header, call, beat = csv.reader(io.StringIO("\n".join(csv_lines([CALL, BEAT]))))
    assert header == list(COLUMNS)
    told = dict(zip(header, call, strict=True))
    assert told["timestamp"] == "2026-09-21T13:56:40.000Z"
    assert (told["server"], told["name"], told["agent"], told["actor"]) == ("crm", "find", "bot", "alice")
    assert (told["rule"], told["latency_ms"], told["on_behalf_of"]) == ("x.yaml:7", "12.5", "robot")
    assert [cell for cell in beat if cell] == [
        "2026-09-21T14:05:00.000Z",
        "heartbeat",
        "h",
        "43",
        "default",
        "gw",
        "1",
    ]


def test_a_row_has_what_there_is() -> None:
    told = row(CALL)
    assert None not in told.values()
    assert (told["rules"], told["outcome_number"]) == (["r1", "x.yaml:7"], 42)
    assert json.loads(json.dumps(told)) == told
    assert row(BEAT) == {
        "timestamp": "2026-09-21T14:05:00.000Z", "kind": "heartbeat", "call": "h", "number": 43,
        "tenant": "default", "gateway": "gw", "requests": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        ("\t=1", "\\u0009=1"),
        ("a\r\nb", "a\\u000d\\u000ab"),
        ("\x1b[2J", "\\u001b[2J"),
        ("plain = text", "plain = text"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text: str, shown: str) -> None:
    assert cell(text) == shown


def test_numbers_are_numbers() -> None:
    assert [cell(value) for value in (-32603, 1.5, None)] == [-32603, 1.5, ""]


@given(st.text(), st.text())
def test_whatever_is_in_them_lines_stay_lines_and_cells_cells(name: str, agent: str) -> None:
    entry = Entry(0, 0, name, Who(agent=agent), What(name=name), How("decision"))
    header, *lines = csv_lines([entry])
    assert len(lines) == 1
    assert len(lines[0].splitlines()) == 1
    read = next(csv.reader(lines))
    assert len(read) == len(header.split(","))
    assert not read[list(COLUMNS).index("agent")].lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))


def test_times_are_rfc_3339_as_far_as_it_goes() -> None:
    assert moment(0) == "1970-01-01T00:00:00.000Z"
    assert moment(-1) == "1969-12-31T23:59:59.999Z"
    assert moment(1 << 53) == str(1 << 53)
