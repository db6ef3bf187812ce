"""`doorward audit query|show|export|tail` at the terminal: what people read, and what programs do."""

import csv
import gzip
import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.app.state import paths
from doorward.cli.main import main
from tests.unit.app.real_log import configured
from tests.unit.backends.files.test_index import Log

CALL = "019a1ff5-745c-7746-981a-73a8fa7383ff"
DENIED = "019a1ff5-745c-7746-981a-73a8fa738400"
TS = 1_790_000_000_000
GOLDEN = """\
TIME                     STATUS      AGENT         WHAT              WHY                 MS   ID
2026-09-21 14:13:23.000  refused x7  192.0.2.0/24  -                 credential_missing       r1
2026-09-21 14:13:22.000  change      me            key:create key:K                           k1
2026-09-21 14:13:21.000  denied      bot           crm.=cmd          no_grant                 019a1ff5-745c-7746-981a-73a8fa738400
2026-09-21 14:13:20.000  timeout     bot           crm.find          upstream_timeout    9.5  019a1ff5-745c-7746-981a-73a8fa7383ff
"""  # noqa: E501 - as wide as the terminal shows it
SHOWN = """\
decision, record 1 of the log
  kind                       decision
  v                          2
  id                         019a1ff5-745c-7746-981a-73a8fa7383ff
  ts                         1790000000000 (2026-09-21T14:13:20.000+00:00)
  tenant                     default
  call_id                    019a1ff5-745c-7746-981a-73a8fa7383ff
  actor.subject              alice
  actor.agent                bot
  mcp.server                 crm
  mcp.name                   find
  decision.effect            permit
  decision.policy_revision   p
  decision.rules[0].id       r1
  decision.rules[0].file     x.yaml
  decision.rules[0].line     7
outcome, record 2 of the log
  kind                       outcome
  v                          2
  id                         o1
  ts                         1790000000009 (2026-09-21T14:13:20.009+00:00)
  tenant                     default
  call_id                    019a1ff5-745c-7746-981a-73a8fa7383ff
  result.outcome             timeout
  result.reason              upstream_timeout
  latency_ms.total           9.5
"""


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.chdir(tmp_path)
    loaded = configured(tmp_path)
    state = paths(loaded.settings)
    state.root.mkdir()
    made = Log(state.audit)
    rules = [{"id": "r1", "file": "x.yaml", "line": 7}]
    bot = {"subject": "alice", "agent": "bot"}
    made.write(
        "decision", CALL, ts=TS, call_id=CALL, actor=bot, mcp={"server": "crm", "name": "find"},
        decision={"effect": "permit", "policy_revision": "p", "rules": rules},
    )  # fmt: skip
    made.write(
        "outcome", "o1", ts=TS + 9, call_id=CALL, result={"outcome": "timeout", "reason": "upstream_timeout"},
        latency_ms={"total": 9.5},
    )  # fmt: skip
    made.write(
        "decision", DENIED, ts=TS + 1000, call_id=DENIED, actor=bot, mcp={"server": "crm", "name": "=cmd"},
        decision={"effect": "deny", "policy_revision": "p", "reason": "no_grant"},
    )  # fmt: skip
    made.write("change", "k1", ts=TS + 2000, action="key:create", actor={"subject": "me"}, object="key:K")
    made.write("refusal", "r1", ts=TS + 3000, reason="credential_missing", peer="192.0.2.0/24", count=7)
    return made


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    capsys.readouterr()
    code = main(["audit", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, _ = run(capsys, *words, "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def test_people_read_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "query", "kind!=segment") == (0, GOLDEN, "")
    code, out, _ = run(capsys, "query", "kind!=segment", "--limit", "1")
    assert (code, len(out.splitlines())) == (0, 3)
    assert out.endswith("there are more than these 1: see --limit and --count\n")
    assert run(capsys, "query", "agent=nobody") == (0, "nothing found\n", "")
    assert run(capsys, "query", "--count", "decision!=permit") == (0, "2 for 8 requests\n", "")


def test_programs_read_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "query", "tool=crm.* agent=bot", "--order", "oldest", "--limit", "1")
    assert (found["schema"], found["more"], found["damaged"]) == ("doorward.audit.query/v1", True, 0)
    (entry,) = found["entries"]
    assert entry["call"] == CALL
    assert entry["rules"] == ["r1", "x.yaml:7"]
    assert asked(capsys, "query", "--count") == {
        "schema": "doorward.audit.count/v1", "entries": 5, "requests": 11, "damaged": 0
    }  # fmt: skip
    assert len(asked(capsys, "query", "--limit", "0")["entries"]) == 5


def test_times_are_conditions_or_options(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("since=2026-09-21T14:13:21Z", "until=2026-09-21T14:13:22Z"),
                  ("--since", "2026-09-21T14:13:21Z", "--until", "2026-09-21T14:13:22Z")):  # fmt: skip
        assert [each["call"] for each in asked(capsys, "query", *words)["entries"]] == [DENIED]
    code, _, err = run(capsys, "query", "--since", "yesterday")
    assert code == 2
    assert "'yesterday' is no time: write 90d" in err


def test_an_error_says_what_may_have_been_meant(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "query", "decison=deny")
    assert (code, out) == (2, "")
    assert err == (
        "doorward audit: there is nothing called 'decison': did you mean decision?\n"
        "  for example 'tool=crm.* actor=alice since=90d decision=deny'\n"
    )
    assert run(capsys, "query", "--limit", "many")[0] == 2
    assert run(capsys, "tail", "number=7")[0] == 2
    assert run(capsys, "tail", "colour=red")[0] == 2


def test_show_tells_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "show", CALL) == (0, SHOWN, "")
    told = asked(capsys, "show", CALL)
    assert [each["number"] for each in told["records"]] == [1, 2]
    assert told["call"]["status"] == "timeout"
    code, out, err = run(capsys, "show", "nobody")
    assert (code, out) == (2, "")
    assert "has the id nobody" in err


def test_show_tells_what_belongs_to_a_call(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    log.write("change", "p1", ts=TS - 5, action="policy:replace", actor={"subject": "me"}, object="policy")
    log.decide("question", ts=TS + 5, during=CALL)
    _, out, _ = run(capsys, "show", CALL)
    assert out.startswith(SHOWN)
    assert out.removeprefix(SHOWN) == (
        "configured by\n  2026-09-21 14:13:19.995  change  me  policy:replace policy  p1\n"
        "together with\n  2026-09-21 14:13:20.005  none  bot  crm.find  question\n"
    )


def test_tail_shows_the_calls_that_are_meant(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "tail", "tool=crm.find")
    assert [line.split()[1] for line in out.splitlines()] == ["PERMIT", "OUTCOME"]
    _, out, _ = run(capsys, "tail", "decision=deny", "--json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [DENIED]


def test_an_export_is_a_new_file_of_its_owners(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.csv"
    words = ("export", "--format", "csv", "agent=bot", "--output", str(file))
    assert run(capsys, *words) == (0, f"3 lines in {file}\n", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))
    assert [row["name"] for row in rows] == ["find", "'=cmd"]
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "exists already" in err


def test_an_export_that_cannot_be_made_leaves_no_file(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.path(1).write_bytes(b"junk\n")
    code, out, err = run(capsys, "export", "--output", str(tmp_path / "out.jsonl"))
    assert (code, out) == (12, "")
    assert "does not begin with its own record" in err
    assert not (tmp_path / "out.jsonl").exists()


def test_an_export_goes_to_stdout_as_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "export", "agent=bot")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [CALL, "o1", DENIED]
    code, out, _ = run(capsys, "export", "--format", "ocsf", "kind=change")
    assert (code, json.loads(out)["class_uid"]) == (0, 6003)
    code, out, _ = run(capsys, "export", "--format", "fields", "tool=crm.find")
    assert json.loads(out) == {
        "timestamp": "2026-09-21T14:13:20.000Z", "agent_id": "bot", "server_name": "crm", "tool_name": "find",
        "input_hash": None, "output_hash": None, "session_id": None, "user_id": "alice", "latency_ms": 9.5,
        "status": "timeout",
    }  # fmt: skip


def test_a_query_can_be_written_for_programs_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "query", "agent=bot", "--format", "fields", "--limit", "1")
    assert (code, json.loads(out)["tool_name"]) == (0, "=cmd")
    code, out, _ = run(capsys, "query", "agent=bot", "--format", "csv", "--order", "oldest")
    assert [row["name"] for row in csv.DictReader(io.StringIO(out))] == ["find", "'=cmd"]


def test_a_log_elsewhere_needs_no_configuration(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "doorward.yaml").unlink()
    assert run(capsys, "query", "--count", "--log", str(log.directory)) == (0, "5 for 11 requests\n", "")
    assert not (log.directory.parent / "audit-index.db").exists()
    code, _, err = run(capsys, "query", "--log", str(tmp_path / "none"))
    assert code == 2
    assert err.startswith("there is no audit log in")


def test_lines_that_are_no_records_are_told_after_what_is_one(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.append(b"junk\n[]\n")
    for words in (("query", "kind!=segment"), ("query", "--count"), ("tail",), ("export",)):
        code, out, err = run(capsys, *words)
        assert code == 12, words
        assert out
        assert "no records" in err or "no record" in out
    code, _, err = run(capsys, "export", "--output", str(tmp_path / "all.jsonl"))
    assert code == 12
    assert len((tmp_path / "all.jsonl").read_text("utf-8").splitlines()) == 6


COMMANDS = (
    "query", "query --count", f"show {CALL}", "show nobody", "export", "tail", "tail kind=change",
    "export --format csv", "export --format ocsf",
)  # fmt: skip
HOSTILE = (b"\0" * 100, b'{"kind":"segment"}\n' * 3, b"{" * 20_000 + b"\n", b'{"n":0,"record":"{}"}\n' * 2)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=300) | st.sampled_from(HOSTILE),
    form=st.sampled_from(["jsonl", "jsonl.gz", "kept.jsonl"]),
    packed=st.booleans(),
    opened=st.booleans(),
    words=st.sampled_from(COMMANDS),
)
def test_a_hostile_log_ends_with_a_verdict(  # noqa: PLR0917 - fixtures, and what is drawn
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    form: str,
    packed: bool,
    opened: bool,
    words: str,
) -> None:
    place = tmp_path / "hostile"
    place.mkdir(exist_ok=True)
    for path in place.iterdir():
        path.unlink()
    opening = b'{"kind":"segment","v":2,"id":"s","ts":1,"tenant":"t","number":1,"first":0,"root":""}\n'
    content = (opening if opened else b"") + data
    (place / f"00000001.{form}").write_bytes(gzip.compress(content) if packed else content)
    for path in Path("state").glob("audit-index.db*"):
        path.unlink()
    audit = Path("state/audit")
    if not audit.is_symlink():
        audit.rename("state/other")
        audit.symlink_to(place)
    code, _, err = run(capsys, *words.split())
    assert code in {0, 2, 12}, err
    assert "Traceback" not in err
