"""`audit tail` with a filter shows whole calls, those that were there and those that come."""

import json
from pathlib import Path

import pytest

from doorward.app.audit import REMEMBERED, Sieve, audit_tail
from doorward.app.state import paths
from doorward.audit.filters import FilterError, parse
from doorward.config.load import Loaded
from tests.unit.app.real_log import configured
from tests.unit.backends.files.test_index import NOW, Log


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    found = configured(tmp_path)
    paths(found.settings).root.mkdir()
    return found


@pytest.fixture
def log(loaded: Loaded) -> Log:
    made = Log(paths(loaded.settings).audit)
    for name, agent in (("a", "bot"), ("b", "other"), ("c", "bot")):
        made.decide(name, agent=agent)
        made.answer(name)
    return made


def calls(records: list[bytes]) -> list[tuple[str, str]]:
    return [(record["kind"], record["call_id"]) for record in map(json.loads, records)]


def test_the_last_calls_that_are_meant_are_shown_whole(loaded: Loaded, log: Log) -> None:
    assert len(list(audit_tail(loaded, follow_on=False, count=2))) == 2
    shown = list(audit_tail(loaded, follow_on=False, count=1, wanted=parse("agent=bot", NOW)))
    assert calls(shown) == [("decision", "c"), ("outcome", "c")]
    shown = list(audit_tail(loaded, follow_on=False, count=9, wanted=parse("agent=bot", NOW)))
    assert [call for _, call in calls(shown)] == ["a", "a", "c", "c"]


def test_what_comes_is_shown_once_and_nothing_is_missed(loaded: Loaded, log: Log) -> None:
    shown = audit_tail(loaded, follow_on=True, count=1, wanted=parse("agent=bot", NOW))
    assert calls([next(shown), next(shown)]) == [("decision", "c"), ("outcome", "c")]
    log.decide("d", agent="other")
    log.decide("e")
    log.open_segment()
    log.answer("d")
    log.answer("e")
    assert calls([next(shown), next(shown)]) == [("decision", "e"), ("outcome", "e")]


def test_an_outcome_that_is_meant_brings_its_decision(log: Log) -> None:
    sieve = Sieve(parse("outcome!=ok", NOW))
    log.decide("x")
    log.decide("y")
    log.answer("x", "timeout")
    log.answer("y")
    lines = log.path(1).read_bytes().splitlines()[-4:]
    assert [calls(sieve.taken(line)) for line in lines] == [[], [], [("decision", "x"), ("outcome", "x")], []]


def test_what_is_no_record_and_what_was_never_decided_are_nothing(log: Log) -> None:
    sieve = Sieve(parse("agent=bot", NOW))
    log.answer("unknown")
    assert sieve.taken(log.path(1).read_bytes().splitlines()[-1]) == []
    assert sieve.taken(b"junk") == []


def test_calls_that_never_end_are_forgotten(log: Log) -> None:
    sieve = Sieve(parse("outcome=ok", NOW))
    line = b'{"kind":"decision","id":"%d","ts":1,"decision":{"effect":"permit"}}'
    for number in range(REMEMBERED + 10):
        sieve.taken(line % number)
    assert len(sieve._waiting) == REMEMBERED
    done = b'{"kind":"outcome","id":"o","call_id":"%d","ts":1,"result":{"outcome":"ok"}}'
    assert len(sieve.taken(done % 10)) == 2
    assert sieve.taken(done % 9) != []  # an outcome alone meets what is said of outcomes


def test_numbers_are_no_condition_for_tail(loaded: Loaded) -> None:
    with pytest.raises(FilterError, match="number is no condition for tail"):
        audit_tail(loaded, follow_on=False, count=1, wanted=parse("number=3", NOW))
