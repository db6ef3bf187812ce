"""What a record says of the controls that ran."""

import msgspec
import pytest

from doorward.model.reasons import Reason
from doorward.model.verdict import Allow, ControlRun, Deny, Hold, RuleRef
from doorward.pipeline.trail import Trail

DENIED = Deny(Reason.DENIED_BY_RULE, "no")
ALLOWED = Allow((RuleRef("r", "f", 1),))


def trail(said: object = ALLOWED, **more: object) -> Trail:
    """As far as the rules: identity took 1 ms, protocol 2, route 3, policy 4."""
    times = {
        "identified": 10.0015,
        "understood": 10.0035,
        "routed": 10.0065,
        "judged": 10.0105,
    }
    made = Trail(None, "an id", 10.0)
    for name, value in {**times, **more, "said": said}.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (ALLOWED, "pass"),
        (Allow((), softened=DENIED), "would_deny"),
        (DENIED, "deny"),
        (Hold(Reason.CHECK_FAILED, "wait"), "hold"),
    ],
    ids=str,
)
def test_each_control_has_its_word_and_its_cost(said: object, word: str) -> None:
    ran = trail(said).controls()

    assert [(one.id, one.verdict) for one in ran] == [
        ("identity", "pass"),
        ("protocol", "pass"),
        ("route", "pass"),
        ("policy", word),
    ]
    assert [round(one.cost_us, -1) for one in ran] == [1500, 2000, 3000, 4000]


def test_a_call_ends_at_a_control_and_does_not_reach_those_after_it() -> None:
    for times, ended in (
        ({"understood": 0.0, "routed": 0.0, "judged": 0.0}, ["identity:pass", "protocol:ended"]),
        ({"routed": 0.0, "judged": 0.0}, ["identity:pass", "protocol:pass", "route:ended"]),
        ({"judged": 0.0}, ["identity:pass", "protocol:pass", "route:pass", "policy:ended"]),
    ):
        unfinished = trail(None, **times)
        assert [f"{one.id}:{one.verdict}" for one in unfinished.controls()] == ended
        assert (
            unfinished.unreached(("mask",))
            == ("identity", "protocol", "route", "policy", "mask")[len(ended) :]
        )


def test_after_the_rules_have_spoken_only_stages_are_not_reached() -> None:
    judged = trail()
    judged.ran("first", "deny", 0.0, 0.1)
    assert judged.unreached(("first", "second")) == ("second",)


def test_the_usual_controls_are_spelled_as_they_would_be_encoded() -> None:
    usual = trail()
    quick = trail(identified=10.0000015, understood=10.0001, routed=10.000101, judged=10.001)

    assert quick.spelled() == msgspec.json.encode(quick.controls()).decode()
    assert usual.spelled() == msgspec.json.encode(usual.controls()).decode()


def test_a_stage_is_noted_behind_them() -> None:
    staged = trail()
    staged.ran("mask", "change", 10.0105, 10.0125)

    assert staged.controls()[4:] == (ControlRun("mask", "change", 1999),)


@pytest.mark.parametrize("said", [Allow((), softened=DENIED), DENIED, None], ids=str)
def test_what_is_not_usual_is_not_spelled(said: object) -> None:
    assert trail(said).spelled() is None
    assert trail(said, stages=(ControlRun("rate", "pass", 7),)).spelled() is None


def test_stages_that_let_it_pass_are_spelled_behind_the_others() -> None:
    plain, ran = trail(), trail(stages=(ControlRun("rate", "pass", 7), ControlRun("mask", "pass", 300)))
    assert ran.spelled() == msgspec.json.encode(ran.controls()).decode()
    assert (ran.reported, plain.reported) == (2, 0)


@pytest.mark.parametrize("verdict", ["change", "failed", "deny", "hold"])
def test_stages_that_did_more_are_not(verdict: str) -> None:
    ran = trail(stages=(ControlRun("rate", "pass", 7), ControlRun("mask", verdict, 300)))
    assert (ran.spelled(), ran.reported) == (None, 0)
