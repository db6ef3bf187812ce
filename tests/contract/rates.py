"""What every Rates owes (ports/rates.py). A backend's test file subclasses `RatesContract`."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.bounds import Rate
from doorward.ports.rates import Demand, Rates

SECOND = 1_000_000_000


class Clock:
    """Nanoseconds of a monotonic clock, in hand."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


Make = Callable[[Clock], Rates]


def one(text: str, bucket: str = "a") -> list[Demand]:
    return [Demand(bucket, Rate.parse(text))]


def taken(rates: Rates, demands: list[Demand], times: int) -> int:
    return sum(rates.take(demands) is None for _ in range(times))


rate_values = st.builds(
    Rate,
    st.integers(1, 50) | st.just(999_999_999),
    st.sampled_from([1.0, 60.0, 3600.0, 86400.0]),
)
pauses = st.lists(st.integers(0, 90 * SECOND) | st.just(0), min_size=1, max_size=60)


class RatesContract:
    """Subclasses define the static method `make`: empty buckets that follow a clock."""

    make: Make

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def rates(self, clock: Clock) -> Rates:
        return type(self).make(clock)

    def test_gives_as_many_at_once_as_the_rate_says(self, rates: Rates) -> None:
        assert taken(rates, one("100/min"), 150) == 100

    def test_says_when_to_come_again_and_then_there_is_one(self, rates: Rates, clock: Clock) -> None:
        taken(rates, one("100/min"), 100)
        refused = rates.take(one("100/min"))
        assert refused is not None
        assert refused.demand == one("100/min")[0]
        assert refused.retry_after_s == pytest.approx(0.6)
        clock.now += int(refused.retry_after_s * SECOND) - 1
        assert rates.take(one("100/min")) is not None
        clock.now += 2
        assert rates.take(one("100/min")) is None
        assert rates.take(one("100/min")) is not None

    def test_fills_up_to_the_brim_and_no_further(self, rates: Rates, clock: Clock) -> None:
        taken(rates, one("10/s"), 10)
        clock.pass_s(0.5)
        assert taken(rates, one("10/s"), 10) == 5
        clock.pass_s(3600)
        assert taken(rates, one("10/s"), 20) == 10

    def test_buckets_are_independent(self, rates: Rates) -> None:
        assert taken(rates, one("5/min", "a"), 9) == 5
        assert taken(rates, one("5/min", "b"), 9) == 5

    def test_takes_from_all_or_from_none(self, rates: Rates, clock: Clock) -> None:
        both = one("2/min", "key") + one("5/min", "agent")
        assert taken(rates, both, 2) == 2
        refused = rates.take(both)
        assert refused is not None
        assert refused.demand.bucket == "key"
        assert taken(rates, one("5/min", "agent"), 9) == 3, "a refusal has used up nothing"
        clock.pass_s(12)
        refused = rates.take(both)
        assert refused is not None
        assert (refused.demand.bucket, refused.retry_after_s) == ("key", pytest.approx(18))
        assert rates.take(one("5/min", "agent")) is None

    def test_names_the_bucket_that_takes_longest(self, rates: Rates) -> None:
        both = one("1/s", "quick") + one("1/h", "slow")
        assert rates.take(both) is None
        refused = rates.take(both)
        assert refused is not None
        assert (refused.demand.bucket, refused.retry_after_s) == ("slow", pytest.approx(3600))

    def test_nothing_is_asked_of_nobody(self, rates: Rates) -> None:
        assert rates.take([]) is None

    def test_a_slower_rate_holds_at_once(self, rates: Rates, clock: Clock) -> None:
        assert taken(rates, one("100/min"), 50) == 50
        refused = rates.take(one("10/min"))
        assert refused is not None
        assert refused.retry_after_s == pytest.approx(6), "and forgives what is more than it could give"
        clock.pass_s(6)
        assert taken(rates, one("10/min"), 5) == 1

    def test_a_faster_rate_holds_at_once(self, rates: Rates, clock: Clock) -> None:
        assert taken(rates, one("10/min"), 20) == 10
        assert taken(rates, one("100/min"), 200) == 90
        clock.pass_s(60)
        assert taken(rates, one("100/min"), 200) == 100

    def test_the_unit_of_a_rate_may_change(self, rates: Rates, clock: Clock) -> None:
        taken(rates, one("10/d"), 10)
        refused = rates.take(one("10/s"))
        assert refused is not None
        assert refused.retry_after_s == pytest.approx(0.1)
        clock.pass_s(1)
        assert taken(rates, one("10/s"), 20) == 10

    def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing(self, rates: Rates, clock: Clock) -> None:
        taken(rates, one("10/s"), 10)
        clock.pass_s(-3600)
        assert rates.take(one("10/s")) is not None
        clock.pass_s(3600.5)
        assert taken(rates, one("10/s"), 20) == 5

    @given(rate_values, pauses)
    def test_never_gives_more_than_a_burst_and_the_rate_since(self, rate: Rate, gaps: list[int]) -> None:
        clock = Clock()
        rates = type(self).make(clock)
        per_ns = round(rate.per_s * SECOND)
        times: list[int] = []
        for gap in gaps:
            clock.now += gap
            tries = min(rate.count + 2, 60)
            times += [clock.now] * taken(rates, [Demand("a", rate)], tries)
        for first, began in enumerate(times):
            for last in range(first, len(times)):
                most = rate.count + (times[last] - began) * rate.count // per_ns
                assert last - first + 1 <= most

    @given(rate_values, st.lists(st.integers(0, 3_000_000_000), min_size=1, max_size=200))
    def test_never_refuses_who_stays_below_the_rate(self, rate: Rate, late: list[int]) -> None:
        clock = Clock()
        rates = type(self).make(clock)
        step = -(-round(rate.per_s * SECOND) // rate.count)
        for more in late:
            assert rates.take([Demand("a", rate)]) is None
            clock.now += step + more

    @given(rate_values, st.lists(st.integers(0, 10 * SECOND), min_size=1, max_size=80))
    def test_who_waits_as_long_as_told_is_not_refused_again(self, rate: Rate, gaps: list[int]) -> None:
        clock = Clock()
        rates = type(self).make(clock)
        for gap in gaps:
            clock.now += gap
            refused = rates.take([Demand("a", rate)])
            if refused is not None:
                assert refused.retry_after_s > 0
                clock.now += int(refused.retry_after_s * SECOND) + 1
                assert rates.take([Demand("a", rate)]) is None

    @given(st.lists(st.tuples(st.integers(0, SECOND), st.sampled_from(["a", "b", "ab"])), max_size=120))
    def test_what_is_refused_by_one_is_taken_from_none(self, asked: list[tuple[int, str]]) -> None:
        """Against buckets that are only ever asked for what was given."""
        clock = Clock()
        rates, alone = type(self).make(clock), type(self).make(clock)
        each = {"a": one("7/s", "a"), "b": one("3/s", "b")}
        for gap, names in asked:
            clock.now += gap
            if rates.take([demand for name in names for demand in each[name]]) is None:
                for name in names:
                    assert alone.take(each[name]) is None
        for name in "ab":
            assert taken(rates, each[name], 10) == taken(alone, each[name], 10)
