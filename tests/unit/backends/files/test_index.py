"""The index says what the log says, whatever happens to the log between two questions."""

import gzip
import json
import os
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from doorward.audit.entries import Entry
from doorward.audit.filters import Filter, parse
from doorward.audit.matching import Matcher
from doorward.backends.files.index import AuditIndex, Found
from doorward.model.errors import GatewayError

NOW = 1_790_000_000.0


class Log:
    """Segments with records as short as they can be; nothing is sealed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.number = -1
        self.segment = 0
        self.firsts: dict[int, int] = {}
        self.open_segment()

    def path(self, number: int, form: str = "jsonl") -> Path:
        return self.directory / f"{number:08d}.{form}"

    def open_segment(self) -> None:
        self.segment += 1
        self.firsts[self.segment] = self.number + 1
        self.write("segment", f"s{self.segment}", number=self.segment, first=self.number + 1, root="")

    def write(self, kind: str, name: str, **members: Any) -> int:
        """The record's number."""
        self.number += 1
        ts = members.pop("ts", int(NOW * 1000) - 1_000_000 + self.number * 1000)
        record = {"kind": kind, "v": 2, "id": name, "ts": ts, "tenant": "default", **members}
        self.append(json.dumps(record, separators=(",", ":")).encode() + b"\n")
        return self.number

    def append(self, data: bytes) -> None:
        with self.path(self.segment).open("ab") as file:
            file.write(data)

    def decide(
        self, call: str, effect: str = "permit", tool: str = "find", agent: str = "bot", **more: Any
    ) -> int:
        return self.write(
            "decision", call, call_id=call, decision={"effect": effect, "policy_revision": "p"},
            actor={"subject": "alice", "method": "key", "agent": agent}, peer="192.0.2.0/24",
            mcp={"transport": "http", "server": "crm", "name": tool}, args={"received_hmac": "ab" * 32},
            **more,
        )  # fmt: skip

    def answer(self, call: str, outcome: str = "ok", total: float = 1.5) -> int:
        result = {"outcome": outcome, "bytes": 7, "hmac": "cd" * 32}
        return self.write(
            "outcome", f"o{self.number}", call_id=call, result=result, latency_ms={"total": total}
        )

    def compress(self, number: int) -> None:
        self.path(number, "jsonl.gz").write_bytes(gzip.compress(self.path(number).read_bytes()))
        self.path(number).unlink()

    def prune(self, number: int, *left: int) -> None:
        """Keeps its first record, and those with these numbers."""
        packed = self.path(number, "jsonl.gz")
        plain = gzip.decompress(packed.read_bytes()) if packed.exists() else self.path(number).read_bytes()
        first = self.firsts[number]
        kept = [
            json.dumps({"n": first + at, "record": line.decode()}) + "\n"
            for at, line in enumerate(plain.splitlines())
            if not at or first + at in left
        ]
        self.path(number, "kept.jsonl").write_text("".join(kept))
        packed.unlink(missing_ok=True)
        self.path(number).unlink(missing_ok=True)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "audit")


@pytest.fixture
def index(log: Log, tmp_path: Path) -> Iterator[AuditIndex]:
    with AuditIndex(log.directory, tmp_path / "index.db") as opened:
        yield opened


def found(index: AuditIndex, text: str = "", **options: Any) -> list[Entry]:
    index.refresh()
    return list(index.find(parse(text, NOW), **options))


def numbers(index: AuditIndex, text: str = "", **options: Any) -> list[int]:
    return [entry.number for entry in found(index, text, **options)]


def test_a_call_is_one_row_whenever_its_outcome_comes(log: Log, index: AuditIndex) -> None:
    at = log.decide("c1")
    late = log.decide("c2")
    done = log.answer("c1", total=12.5)
    (first,) = found(index, "call=c1")
    assert (first.number, first.done, first.latency, first.how.outcome) == (at, done, 12.5, "ok")
    assert numbers(index, "outcome=none") == [late]
    log.open_segment()
    ended = log.answer("c2", "timeout")
    (second,) = found(index, "call=c2")
    assert (second.number, second.done, second.how.outcome) == (late, ended, "timeout")
    assert second.args == "ab" * 32
    again = log.answer("c2", "ok")
    assert numbers(index, "kind=outcome", newest_first=False) == [at, late, again]


def test_it_is_its_owners_alone(log: Log, index: AuditIndex, tmp_path: Path) -> None:
    log.decide("c1")
    index.refresh()
    files = sorted(tmp_path.glob("index.db*"))
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_entries_come_by_time_or_by_number_and_no_more_than_asked_for(log: Log, index: AuditIndex) -> None:
    now = int(NOW * 1000)
    third, first, second = (
        log.decide(name, ts=now - back) for name, back in (("a", 10), ("b", 30), ("c", 20))
    )
    assert numbers(index, "kind=decision") == [third, second, first]
    assert numbers(index, "kind=decision", newest_first=False, limit=2) == [first, second]
    assert numbers(index, "kind=decision", newest_first=False, by_number=True) == [third, first, second]
    assert numbers(index, "", newest_first=False, by_number=True) == [0, third, first, second]


def test_requests_that_were_rolled_up_are_counted(log: Log, index: AuditIndex) -> None:
    log.decide("c1")
    log.write("refusal", "r1", reason="credential_missing", peer="x", count=40)
    log.write("refusal", "r2", reason="credential_missing", peer="x")
    index.refresh()
    assert index.count() == Found(4, 43)
    assert index.count(parse("decision=refuse", NOW)) == Found(2, 41)
    assert index.count(parse("decision=refuse peer=y", NOW)) == Found(0, 0)
    assert index.count(parse("kind=decision", NOW)) == Found(1, 1)


def test_what_is_pruned_is_dropped_to_the_last_byte(log: Log, index: AuditIndex, tmp_path: Path) -> None:
    gone = log.decide("c1", tool="secret_tool", during="secret_call")
    kept = log.decide("c2")
    crossing = log.decide("c3")
    log.open_segment()
    end = log.answer("c3", "timeout")
    log.open_segment()
    assert numbers(index, "tool=crm.*", newest_first=False) == [gone, kept, crossing]
    log.prune(1, kept)
    (left,) = found(index, "tool=crm.*")
    assert (left.number, left.how.outcome) == (kept, None)
    (outcome,) = found(index, "kind=outcome")
    assert (outcome.number, outcome.how.kind, outcome.id) == (end, "outcome", "c3")
    log.prune(2)
    assert numbers(index, "kind=outcome") == []
    index._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not [file for file in tmp_path.glob("index.db*") if b"secret_" in file.read_bytes()]


def test_a_call_that_is_kept_finds_its_outcome_again(log: Log, index: AuditIndex) -> None:
    log.decide("a")
    at = log.decide("b")
    log.open_segment()
    done = log.answer("b")
    log.open_segment()
    assert len(found(index, "outcome=ok")) == 1
    log.prune(1, at)
    (entry,) = found(index, "kind=outcome")
    assert (entry.number, entry.done, entry.how.decision) == (at, done, "permit")


def test_an_outcome_that_is_pruned_leaves_its_call(log: Log, index: AuditIndex) -> None:
    at = log.decide("c1")
    log.open_segment()
    log.answer("c1")
    log.open_segment()
    assert numbers(index, "outcome=ok") == [at]
    log.prune(2)
    assert numbers(index, "outcome=none") == [at]
    assert numbers(index, "outcome=ok") == []


def test_compression_is_no_news(log: Log, index: AuditIndex) -> None:
    for name in "abc":
        log.decide(name)
    index.refresh()
    log.decide("d")
    log.open_segment()
    log.compress(1)
    assert [entry.id for entry in found(index, "kind=decision", newest_first=False)] == list("abcd")
    log.path(1, "jsonl.gz").touch()
    assert len(found(index, "kind=decision")) == 4


def test_what_a_crash_took_back_is_forgotten(log: Log, index: AuditIndex) -> None:
    log.decide("a")
    length = log.path(1).stat().st_size
    log.decide("lost")
    assert len(found(index, "kind=decision")) == 2
    os.truncate(log.path(1), length)
    log.number -= 1
    at = log.decide("b")
    assert [(entry.id, entry.number) for entry in found(index, "kind=decision")] == [("b", at), ("a", at - 1)]


def test_room_behind_the_last_record_and_half_of_one_are_none(log: Log, index: AuditIndex) -> None:
    log.decide("a")
    with log.path(1).open("ab") as file:
        file.write(b'{"kind":"decision","id":"half' + b"\0" * 200_000)
    assert index.refresh() == 0
    assert len(found(index)) == 2
    log.path(1).write_bytes(log.path(1).read_bytes().rstrip(b"\0") + b'","ts":1}\n')
    assert len(found(index)) == 3


def test_lines_that_are_no_records_have_numbers_and_are_counted(log: Log, index: AuditIndex) -> None:
    log.append(b"junk\n\n" + b"x" * 200_000 + b"\n")
    log.number += 3
    at = log.decide("a")
    assert index.refresh() == 3
    assert index.refresh() == 3
    assert numbers(index, "kind=decision") == [at]


def test_another_log_in_the_same_place_is_read_anew(log: Log, index: AuditIndex, tmp_path: Path) -> None:
    log.decide("a")
    log.open_segment()
    log.decide("b")
    assert len(found(index, "kind=decision")) == 2
    for path in log.directory.iterdir():
        path.unlink()
    log.directory.rmdir()
    other = Log(log.directory)
    other.decide("c", tool="other")
    assert [entry.id for entry in found(index, "kind=decision")] == ["c"]
    assert numbers(index, "tool=crm.find") == []


def test_what_is_no_log_is_said_so(log: Log, index: AuditIndex) -> None:
    log.path(2).write_text("junk\n")
    with pytest.raises(GatewayError, match="does not begin with its own record"):
        index.refresh()
    log.path(2).write_bytes(log.path(1).read_bytes().replace(b'"number":1', b'"number":2'))
    with pytest.raises(GatewayError, match="begins with record 0, which another segment has too"):
        index.refresh()
    log.path(2).unlink()
    log.open_segment()
    log.append(os.urandom(5000).hex().encode() + b"\n")
    log.compress(2)
    packed = log.path(2, "jsonl.gz")
    packed.write_bytes(packed.read_bytes()[:-2000])
    with pytest.raises(GatewayError, match="is damaged"):
        index.refresh()
    log.path(2, "jsonl.gz").unlink()
    log.path(2, "kept.jsonl").write_text('{"n": -5, "record": "x"}\n')
    with pytest.raises(GatewayError, match="does not begin"):
        index.refresh()


def test_a_directory_that_is_not_there_is_an_error_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    with AuditIndex(tmp_path / "none", tmp_path / "index.db") as index:
        with pytest.raises(FileNotFoundError):
            index.refresh()
        (tmp_path / "none").mkdir()
        assert index.refresh() == 0
        assert list(index.find()) == []


@pytest.mark.parametrize(
    "content", [b"", b"not a database, by far not one", b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_index_is_made_anew(log: Log, tmp_path: Path, content: bytes) -> None:
    log.decide("a")
    file = tmp_path / "index.db"
    file.write_bytes(content)
    with AuditIndex(log.directory, file) as index:
        assert len(found(index)) == 2


def test_an_index_of_another_version_is_made_anew(log: Log, index: AuditIndex, tmp_path: Path) -> None:
    log.decide("a")
    index.refresh()
    with sqlite3.connect(tmp_path / "index.db") as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("DROP TABLE late")
    connection.close()
    with AuditIndex(log.directory, tmp_path / "index.db") as other:
        assert len(found(other)) == 2


def test_readers_share_an_index(log: Log, tmp_path: Path) -> None:
    for segment in range(4):
        for number in range(50):
            log.decide(f"c{segment}-{number}")
            log.answer(f"c{segment}-{number}")
        log.open_segment()
    counts: list[int] = []

    def read() -> None:
        for _ in range(5):
            with AuditIndex(log.directory, tmp_path / "index.db") as index:
                index.refresh()
                counts.append(index.count(parse("outcome=ok", NOW)).entries)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert counts == [200] * 15


def test_ids_and_digests_come_out_as_they_went_in(log: Log, index: AuditIndex) -> None:
    call = "019a1ff5-745c-7746-981a-73a8fa7383ff"
    odd = ("ABCDEF", "ab" * 8, "019A1FF5-745C-7746-981A-73A8FA7383FF", "é*[?]", "")
    for name in (call, *odd):
        log.decide(name, during=name, trace={"id": name.replace("-", "")})
    entries = found(index, "kind=decision", newest_first=False)
    assert [entry.id for entry in entries] == [call, *odd]
    assert [entry.during for entry in entries] == [call, *odd]
    assert [entry.trace for entry in entries] == [each.replace("-", "") for each in (call, *odd)]
    for text in (
        "call=019a1ff5-745c-*",
        f"call={call}",
        f"during={call}",
        "trace=019a1ff5745c*",
        "call=*-73a8*",
    ):
        assert [entry.id for entry in found(index, text)] == [call], text
    assert [entry.id for entry in found(index, "call=?*[*")] == []
    assert [entry.id for entry in found(index, "call=019a*")] == [call]
    assert [entry.id for entry in found(index, "call=abab*")] == ["ab" * 8]
    assert [entry.id for entry in found(index, "kind=decision call!=019a*,A*,é*", newest_first=False)] == [
        "ab" * 8,
        odd[2],
        "",
    ]


VALUES = st.sampled_from(
    ["find", "list", "crm.find", "f*", "*", "bot", "b[o]t", "alice", "ok", "none", "denied", "c1"]
)
TERMS = st.one_of(
    st.tuples(
        st.sampled_from(
            ["tool", "agent", "outcome", "status", "decision", "kind", "call", "args", "during", "peer"]
        ),
        st.sampled_from(["=", "!="]),
        VALUES
        | st.sampled_from(["permit", "deny", "decision", "outcome", "ab*", "ab" * 32, "192.*", "refuse"]),
    ),
    st.tuples(
        st.sampled_from(["latency", "number", "bytes"]),
        st.sampled_from(["=", "!=", ">=", "<="]),
        st.sampled_from(["1.5", "7", "0", "100"]),
    ),
    st.tuples(st.sampled_from(["since", "until"]), st.just("="), st.sampled_from(["990s", "995s", "1h"])),
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(terms=st.lists(TERMS, max_size=3), few=st.sampled_from([0, 20_000]), newest=st.booleans())
def test_sql_and_python_agree_on_every_filter(
    tmp_path_factory: pytest.TempPathFactory, terms: list[tuple[str, str, str]], few: int, newest: bool
) -> None:
    log = Log(tmp_path_factory.mktemp("log") / "audit")
    for number, effect in enumerate(("permit", "deny", "permit", "hold", "permit")):
        log.decide(
            f"c{number}", effect, ("find", "list")[number % 2], ("bot", "b[o]t")[number % 2], during="c1"
        )
    log.answer("c0")
    log.answer("c2", "timeout", 100.0)
    log.write("refusal", "r", reason="credential_missing", peer="203.0.113.0/24", count=3)
    log.write("change", "k", action="key:create", actor={"subject": "me", "method": "cli"}, object="key:K")
    try:
        wanted = parse(" ".join(name + operator + value for name, operator, value in terms), NOW)
    except ValueError:
        wanted = Filter()
    with AuditIndex(log.directory, log.directory.parent / "index.db", few) as index:
        index.refresh()
        every = list(index.find(newest_first=newest))
        assert list(index.find(wanted, newest_first=newest)) == [
            e for e in every if Matcher(wanted).accepts(e)
        ]
        assert index.count(wanted).entries == len(list(index.find(wanted)))


class Life(RuleBasedStateMachine):
    """Whatever happens to a log, an index that was there says what one says that is made now."""

    def __init__(self) -> None:
        super().__init__()
        self.room = tempfile.TemporaryDirectory()
        self.root = Path(self.room.name)
        self.log = Log(self.root / "audit")
        self.index = AuditIndex(self.log.directory, self.root / "index.db")
        self.waiting: list[str] = []
        self.closed: list[int] = []
        self.compressed: set[int] = set()

    def teardown(self) -> None:
        self.index.__exit__()
        self.room.cleanup()

    @rule(effect=st.sampled_from(["permit", "permit", "deny"]))
    def decide(self, effect: str) -> None:
        name = f"c{self.log.number}"
        self.log.decide(name, effect)
        if effect == "permit":
            self.waiting.append(name)

    @precondition(lambda self: self.waiting)
    @rule(at=st.integers(0, 9))
    def answer(self, at: int) -> None:
        self.log.answer(self.waiting.pop(at % len(self.waiting)))

    @rule()
    def close_segment(self) -> None:
        self.closed.append(self.log.segment)
        self.log.open_segment()

    @precondition(lambda self: set(self.closed) - self.compressed)
    @rule(at=st.integers(0, 9))
    def compress(self, at: int) -> None:
        left = sorted(set(self.closed) - self.compressed)
        number = left[at % len(left)]
        self.compressed.add(number)
        self.log.compress(number)

    @precondition(lambda self: self.closed)
    @rule(modulus=st.integers(1, 4))
    def prune(self, modulus: int) -> None:
        number = self.closed.pop(0)
        self.log.prune(number, *range(1, self.log.number, modulus))

    @rule()
    def ask(self) -> None:
        self.index.refresh()

    @invariant()
    def says_what_a_new_one_says(self) -> None:
        if self.log.number % 5:
            return
        self.index.refresh()
        fresh = self.root / "fresh.db"
        with AuditIndex(self.log.directory, fresh) as other:
            other.refresh()
            assert list(self.index.find()) == list(other.find())
        for file in self.root.glob("fresh.db*"):
            file.unlink()


Life.TestCase.settings = settings(deadline=None, max_examples=12, stateful_step_count=30)
TestLife = Life.TestCase
