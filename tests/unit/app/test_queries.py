"""Questions to a log as the gateway writes it, and to logs that others have had their hands on."""

import json
import sqlite3
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorward.app.evidence import make_pack
from doorward.app.keeping import prune
from doorward.app.pack import Period
from doorward.app.queries import (
    FORMS,
    Damaged,
    NoLog,
    Place,
    count,
    export,
    numbers_of,
    opened,
    parse,
    place_of,
    query,
)
from doorward.audit.entries import Entry, How, What, Who
from doorward.backends.files.read import read_records
from doorward.model.errors import GatewayError
from tests.unit.app.real_log import START, configured, written
from tests.unit.backends.files.test_index import Log

NOW = START + 200 * 86_400
DAY_MS = 86_400_000
ALL = parse("", NOW)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, list[str]]:
    loaded = configured(tmp_path_factory.mktemp("real"))
    ids = written(loaded, 40)
    return place_of(loaded), ids


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log(tmp_path / "audit")
    for name in "abc":
        made.decide(name)
    made.answer("b", "timeout")
    made.open_segment()
    made.answer("a")
    made.write("change", "k", action="key:create", actor={"subject": "me", "method": "cli"}, object="key:K")
    made.write("heartbeat", "h", records=1, size=7, checkpoint=7)
    return made


@pytest.fixture
def place(log: Log, tmp_path: Path) -> Place:
    return Place(log.directory, tmp_path / "index.db")


def test_the_newest_come_first_and_what_is_left_is_said(real: tuple[Place, list[str]]) -> None:
    place, ids = real
    answer = query(place, parse("kind=decision", NOW), limit=3, newest=True)
    assert [entry["call"] for entry in answer.entries] == ids[:-4:-1]
    assert (answer.more, answer.damaged) == (True, 0)
    answer = query(place, parse("kind=decision", NOW), limit=40, newest=False)
    assert [entry["call"] for entry in answer.entries] == ids
    assert not answer.more
    assert count(place, parse("agent=bot", NOW)).entries == 40
    assert query(place, parse("agent=nobody", NOW), limit=None, newest=True).entries == []


def test_an_export_of_everything_is_the_log(real: tuple[Place, list[str]]) -> None:
    place, _ = real
    lines = [
        line for path in sorted(place.log.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()
    ]
    assert len(lines) > 43
    assert list(export(place, ALL, "json")) == lines


def test_an_export_has_both_records_of_a_call_in_the_order_of_the_log(place: Place) -> None:
    exported = [json.loads(line) for line in export(place, parse("call=a,b", NOW), "json")]
    assert [(each["kind"], each["call_id"]) for each in exported] == [
        ("decision", "a"), ("decision", "b"), ("outcome", "b"), ("outcome", "a")
    ]  # fmt: skip


@pytest.mark.parametrize(("form", "lines"), [("json", 9), ("csv", 8), ("ocsf", 4), ("fields", 3)])
def test_each_form_has_what_it_can_say(place: Place, form: str, lines: int) -> None:
    assert set(FORMS) == {"json", "csv", "ocsf", "fields"}
    assert len(list(export(place, ALL, form))) == lines


def test_what_retention_took_out_of_the_log_is_not_found_any_more(tmp_path: Path) -> None:
    loaded = configured(tmp_path)
    ids = written(loaded)
    place = place_of(loaded)
    assert count(place, parse("kind=decision", NOW)).entries == len(ids)
    done = prune(loaded, dry_run=False, now=START + 800 * 86_400).done
    left = [json.loads(record)["id"] for record in read_records(place.log) if b'"kind":"decision"' in record]
    assert 0 < len(left) < len(ids)
    assert len(done) >= 3
    found = query(place, parse("kind=decision", NOW), limit=None, newest=False)
    assert [entry["call"] for entry in found.entries] == left
    fresh = query(Place(place.log, None), ALL, limit=None, newest=False)
    assert query(place, ALL, limit=None, newest=False) == fresh
    assert [json.loads(line)["id"] for line in export(place, parse("kind=decision", NOW), "json")] == left


def test_a_pack_can_be_asked_as_well(tmp_path: Path) -> None:
    loaded = configured(tmp_path)
    ids = written(loaded, 120)
    make_pack(
        loaded,
        Period("2026-09", int(START * 1000) + 62 * DAY_MS, int(START * 1000) + 92 * DAY_MS),
        tmp_path / "p.zip",
    )
    with zipfile.ZipFile(tmp_path / "p.zip") as packed:
        packed.extractall(tmp_path / "pack")
    found = query(
        Place(tmp_path / "pack" / "log", None), parse("kind=decision", NOW), limit=None, newest=False
    )
    packed_ids = [entry["call"] for entry in found.entries]
    assert 30 <= len(packed_ids) < 120
    assert set(packed_ids) <= set(ids)


def test_an_export_holds_no_more_than_a_few_entries(log: Log, place: Place) -> None:
    for number in range(3000):
        log.decide(f"call-{number}")
        log.answer(f"call-{number}")
    for form in FORMS:
        exported = export(place, ALL, form)
        next(exported)
        tracemalloc.start()
        try:
            assert sum(map(len, exported)) > 500_000
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 400_000, form


def test_a_log_elsewhere_is_indexed_where_nobody_sees_it(log: Log, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert count(Place(log.directory, None), ALL).entries == 7
    assert sorted(tmp_path.rglob("*")) == before


def test_no_log_and_no_log_that_can_be_read(log: Log, tmp_path: Path) -> None:
    with pytest.raises(NoLog, match="there is no audit log in"):
        query(Place(tmp_path / "none", None), ALL, limit=1, newest=True)
    log.path(1).write_bytes(b"junk\n")
    with pytest.raises(GatewayError, match="does not begin with its own record"):
        query(Place(log.directory, None), ALL, limit=1, newest=True)


def test_what_can_be_read_of_a_damaged_log_is_told(log: Log, place: Place) -> None:
    log.append(b"junk\n")
    assert query(place, ALL, limit=None, newest=True).damaged == 1
    assert count(place, ALL).damaged == 1
    told: list[str] = []
    with pytest.raises(Damaged, match="1 lines of the log"):
        told.extend(export(place, ALL, "csv"))
    assert len(told) == 8


def test_an_index_that_cannot_be_made_is_an_error_of_the_disk(log: Log, tmp_path: Path) -> None:
    (tmp_path / "index.db").mkdir()
    with pytest.raises(OSError, match=r"no index can be kept in .*index\.db: Is a directory; --log"):
        count(Place(log.directory, tmp_path / "index.db"), ALL)


def test_an_index_that_turns_out_damaged_is_removed(place: Place) -> None:
    assert count(place, ALL).entries == 7
    assert place.index is not None
    with pytest.raises(OSError, match=r"was damaged .* ask again"), opened(place):
        raise sqlite3.DatabaseError("database disk image is malformed")
    assert not place.index.exists()
    assert count(place, ALL).entries == 7


def test_numbers_ascend_however_calls_overlap() -> None:
    def entries() -> Iterator[Entry]:
        for number, done in ((0, 9), (1, 2), (3, None), (4, 8), (5, 7), (6, None)):
            yield Entry(number, 0, "", Who(), What(), How("decision"), done=done)

    assert list(numbers_of(entries())) == list(range(10))
