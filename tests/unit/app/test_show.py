from pathlib import Path

import pytest

from doorward.app.queries import Place
from doorward.app.show import NotFound, show
from tests.unit.backends.files.test_index import Log

CALL = "019a1ff5-745c-7746-981a-73a8fa7383ff"
OTHER = "019a1ff5-745c-7746-981a-73a8fa738400"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    log = Log(tmp_path / "audit")
    me = {"subject": "me", "method": "file"}
    log.write("change", "old", action="policy:replace", actor=me, object="policy", after={"digest": "q"})
    log.write("change", "new", action="policy:replace", actor=me, object="policy", after={"digest": "p"})
    log.decide(CALL)
    log.decide("question-1", during=CALL)
    log.open_segment()
    log.answer(CALL, "timeout")
    log.decide(OTHER)
    log.write(
        "denials",
        "d1",
        actor={"agent": "bot"},
        effect="deny",
        reason="no_grant",
        count=250,
        last="denied-last",
    )
    log.write("change", "later", action="policy:replace", actor=me, object="policy")
    return Place(log.directory, tmp_path / "index.db")


def test_everything_of_a_call_is_told(place: Place) -> None:
    told = show(place, CALL)
    assert told.entry["status"] == "timeout"
    assert [(number, record["kind"]) for number, record in told.records] == [(3, "decision"), (6, "outcome")]
    assert told.records[0][1]["mcp"]["name"] == "find"
    assert [each["call"] for each in told.during] == ["question-1"]
    assert told.configured is not None
    assert told.configured["call"] == "new"


def test_a_question_leads_to_its_call(place: Place) -> None:
    told = show(place, "question-1")
    assert [each["call"] for each in told.during] == [CALL]


def test_a_change_is_a_record_by_itself(place: Place) -> None:
    told = show(place, "old")
    assert [record["after"] for _, record in told.records] == [{"digest": "q"}]
    assert (told.during, told.configured) == ([], None)


def test_the_id_of_an_outcome_leads_to_its_call(place: Place) -> None:
    outcome = show(place, CALL).records[1][1]["id"]
    assert show(place, outcome).entry["call"] == CALL


def test_the_last_denial_of_many_leads_to_their_count(place: Place) -> None:
    told = show(place, "denied-last")
    assert (told.entry["kind"], told.entry["requests"]) == ("denials", 250)


def test_the_beginning_of_an_id_is_enough_where_it_means_one(place: Place) -> None:
    assert show(place, CALL[:-1]).entry["call"] == CALL
    with pytest.raises(NotFound, match=f"several calls begin with {CALL[:20]}: {CALL}, {OTHER}"):
        show(place, CALL[:20])
    for nothing in ("019a", "nobody", "*", CALL + "0", ""):
        with pytest.raises(NotFound, match="no record of"):
            show(place, nothing)
