"""`audit.keep` by command: what is due goes, what is held stays, and the log says all of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from doorward.app.evidence import NotInLog, log_of, prove
from doorward.app.keeping import hold, prune, release
from doorward.app.keys import open_keys
from doorward.app.process import Process
from doorward.audit.keep import class_of
from doorward.audit.verifier import verify
from doorward.backends.files.hold import Held, Hold
from doorward.backends.files.read import read_records
from doorward.backends.files.segment_lines import segment_files
from doorward.config.load import Loaded
from doorward.control.keys import Wanted
from doorward.model.errors import GatewayError
from tests.unit.app.real_log import START, configured, written

DAY = 86_400.0
LATE = START + 800 * DAY


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return configured(tmp_path)


def faults(loaded: Loaded) -> list[str]:
    """A day passes between two records of this log: that is a silence."""
    found = verify(log_of(loaded)).findings
    return [each.message for each in found if each.level == "fault" and each.code != "silence"]


def said(loaded: Loaded, mark: bytes) -> list[dict[str, Any]]:
    return [json.loads(each) for each in read_records(log_of(loaded)) if mark in each]


def test_what_is_due_is_taken_out_and_proofs_of_the_rest_hold(loaded: Loaded) -> None:
    ids = written(loaded)
    dry = prune(loaded, dry_run=True, now=LATE)
    assert len(dry.due) >= 3
    assert all(row.classes == ["decisions"] and row.bytes and row.records for row in dry.due)
    assert [(row.since, row.until) for row in dry.due] == sorted((row.since, row.until) for row in dry.due)
    assert (dry.done, dry.held, dry.gateway) == ([], None, None)
    assert not [each for each in segment_files(log_of(loaded)) if each.pruned]
    done = prune(loaded, dry_run=False, now=LATE)
    assert [row.segment for row in done.due] == [each["segment"] for each in done.done]
    assert [row.segment for row in done.due] == [row.segment for row in dry.due]
    assert (done.troubles, faults(loaded)) == ([], [])
    assert [each["detail"] for each in said(loaded, b'"segment_pruned"')] == done.done
    with pytest.raises(NotInLog):
        prove(log_of(loaded), ids[0])
    assert prove(log_of(loaded), ids[-1]).text
    assert prune(loaded, dry_run=False, now=LATE).due == []
    first = segment_files(log_of(loaded))[0]
    assert {class_of(each) for each in first.records()} == {None, "changes"}


def test_what_is_young_or_not_there_stays(loaded: Loaded, tmp_path: Path) -> None:
    assert prune(loaded, dry_run=False, now=LATE).due == []
    assert not log_of(loaded).exists()
    written(loaded, 40)
    before = list(read_records(log_of(loaded)))
    assert prune(loaded, dry_run=False, now=START + 20 * DAY).due == []
    assert list(read_records(log_of(loaded))) == before


def test_a_hold_is_on_record_and_nothing_goes_until_its_end(loaded: Loaded) -> None:
    written(loaded, 60)
    hold(loaded, "case 7")
    held = Hold(log_of(loaded)).read()
    assert held is not None
    outcome = prune(loaded, dry_run=False, now=LATE)
    assert (outcome.held, outcome.done) == (held, [])
    assert len(outcome.due) >= 1
    assert release(loaded, "over") == held
    assert release(loaded, "over") is None
    [placed, lifted] = [*said(loaded, b'"audit:hold"'), *said(loaded, b'"audit:release"')]
    assert (placed["object"], placed["after"]) == ("log", {"held": True, "reason": "case 7"})
    assert (lifted["before"], lifted["after"]) == ({"held": True}, {"held": False, "reason": "over"})
    assert placed["actor"]["method"] == "cli"
    assert prune(loaded, dry_run=False, now=LATE).done
    assert faults(loaded) == []


def test_a_log_can_be_held_before_it_exists(loaded: Loaded) -> None:
    hold(loaded, "")
    assert Hold(log_of(loaded)).placed
    assert faults(loaded) == []


def test_a_damaged_hold_holds_and_can_be_ended(loaded: Loaded) -> None:
    written(loaded, 60)
    (log_of(loaded) / "hold").write_bytes(b"?")
    with pytest.raises(GatewayError, match="hold is damaged"):
        prune(loaded, dry_run=False, now=LATE)
    assert release(loaded, "") == Held(0, "", "")
    assert not Hold(log_of(loaded)).placed


def test_a_segment_that_was_changed_is_left_for_somebody_to_look_at(loaded: Loaded) -> None:
    written(loaded, 60)
    path = log_of(loaded) / "00000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"bot"', b'"bat"', 1))
    outcome = prune(loaded, dry_run=False, now=LATE)
    assert len(outcome.troubles) == 1
    assert "does not fit the records of" in outcome.troubles[0] or "sealed" in outcome.troubles[0]
    assert path.exists()


@pytest.mark.asyncio
async def test_a_gateway_that_runs_does_it_itself(loaded: Loaded) -> None:
    await asyncio.to_thread(written, loaded, 60)
    process = await Process.open(loaded)
    try:
        outcome = await asyncio.to_thread(prune, loaded, dry_run=False, now=LATE)
    finally:
        await process.close()
    assert "doorward serve" in (outcome.gateway or "")
    assert (len(outcome.due) >= 1, outcome.done) == (True, [])


@pytest.mark.asyncio
async def test_a_gateway_keeps_its_log_and_says_what_it_cannot(loaded: Loaded) -> None:
    await asyncio.to_thread(written, loaded, 60)
    path = log_of(loaded) / "00000001.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"bot"', b'"bat"', 1))
    process = await Process.open(loaded)
    try:
        keeping = process._care._keeping
        keeping._clock = lambda: LATE
        keeping._pace = keeping._pace._replace(look_s=0.01, rest=0.0)
        process.sealer._pace = process.sealer._pace._replace(checkpoint_records=1, issue_s=0.0)
        await keeping.round()
        said_so = process.readiness()
        path.write_bytes(whole)
        await keeping.round()
        assert process.readiness()["evidence"] == "ok"
    finally:
        await process.close()
    assert said_so["status"] == "degraded"
    assert "00000001.jsonl" in said_so["evidence"]
    pruned = [each["detail"]["segment"] for each in said(loaded, b'"segment_pruned"')]
    assert "00000001" in pruned
    assert len(pruned) == len(set(pruned))
    assert faults(loaded) == []


def test_who_writes_after_a_crash_says_that_there_was_one(loaded: Loaded) -> None:
    written(loaded, 60)
    newest = segment_files(log_of(loaded))[-1].path
    with newest.open("ab") as file:
        file.write(b'{"torn' + bytes(1000))
    with open_keys(loaded) as keys:
        keys.create(Wanted(agent="bot"))
    [recovered, _, created] = list(read_records(log_of(loaded)))[-3:]  # between them the first operator
    assert b'"log_recovered"' in recovered
    assert b'"key:create"' in created
    with newest.open("ab") as file:
        file.write(bytes(1000))
    assert prune(loaded, dry_run=False, now=LATE).done
    assert len(said(loaded, b'"log_recovered"')) == 2
    assert faults(loaded) == []
