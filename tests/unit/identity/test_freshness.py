import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from doorward.identity import keyset
from doorward.identity.freshness import LAST_GOOD_S, REFRESH_S, UNKNOWN_KID_S, Freshness
from doorward.identity.keyset import KeySet
from tests.support.tokens import Mint

MINT = Mint("https://id.example.com", "x")


def keys(*kids: str) -> KeySet:
    return keyset.read(json.dumps(MINT.public(*kids) if kids else {"keys": []}).encode())


ALL, ONE, NONE = keys("k-rsa", "k-ec"), keys("k-ec"), keys()


def test_it_asks_at_once_then_every_quarter_of_an_hour() -> None:
    fresh = Freshness()
    assert fresh.next_refresh(5.0) == 0.0
    fresh.begin(5.0)
    assert not fresh.succeeded(ALL, 6.0)
    assert fresh.next_refresh(6.0) == REFRESH_S - 1.0
    assert fresh.usable(6.0) is ALL


def test_what_failed_is_tried_again_ever_more_rarely() -> None:
    fresh, waits = Freshness(), []
    for _ in range(8):
        fresh.begin(0.0)
        fresh.failed("down")
        waits.append(fresh.next_refresh(0.0))
    assert waits == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
    assert fresh.failure == "down"
    fresh.succeeded(ALL, 1.0)
    assert (fresh.failure, fresh.failures) == (None, 0)


def test_the_last_good_keys_are_used_for_a_day() -> None:
    fresh = Freshness()
    fresh.begin(0.0)
    fresh.succeeded(ALL, 0.0)
    fresh.begin(REFRESH_S)
    fresh.failed("down")
    assert fresh.usable(LAST_GOOD_S) is ALL
    assert fresh.usable(LAST_GOOD_S + 0.1) is None


def test_it_says_when_a_key_is_gone() -> None:
    fresh = Freshness()
    assert [fresh.succeeded(one, 0.0) for one in (ONE, ALL, ALL, ONE, NONE, ONE)] == [
        False, False, False, True, True, False,
    ]  # fmt: skip
    assert fresh.usable(0.0) is ONE


class Asking(RuleBasedStateMachine):
    """Strangers present unknown keys as they like, the issuer is up or down, and time goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.fresh = Freshness()
        self.asked: list[float] = []
        self.good: tuple[KeySet, float] | None = None
        self.up = True

    @rule(seconds=st.sampled_from([0.0, 0.5, 9.75, 10.0, 899.0, 900.0, 50_000.0, 86_401.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule(up=st.booleans())
    def the_issuer_changes(self, up: bool) -> None:
        self.up = up

    @precondition(lambda self: self.fresh.may_ask(self.now))
    @rule()
    def an_unknown_key_is_presented(self) -> None:
        self._ask()

    @precondition(lambda self: self.fresh.next_refresh(self.now) <= 0.0)
    @rule()
    def the_background_asks(self) -> None:
        self._ask()

    def _ask(self) -> None:
        self.asked.append(self.now)
        self.fresh.begin(self.now)
        if self.up:
            found = ALL if len(self.asked) % 2 else ONE
            self.fresh.succeeded(found, self.now)
            self.good = found, self.now
        else:
            self.fresh.failed("down")

    @invariant()
    def nobody_is_asked_more_often_than_promised(self) -> None:
        gaps = [later - sooner for sooner, later in zip(self.asked, self.asked[1:], strict=False)]
        assert all(gap >= UNKNOWN_KID_S for gap in gaps)

    @invariant()
    def keys_are_the_last_good_ones_or_none(self) -> None:
        known = self.good is not None and self.now - self.good[1] <= LAST_GOOD_S
        assert self.fresh.usable(self.now) is (self.good[0] if self.good is not None and known else None)

    @invariant()
    def the_next_question_is_never_far(self) -> None:
        assert 0.0 <= self.fresh.next_refresh(self.now) <= REFRESH_S


TestAsking = Asking.TestCase
TestAsking.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
