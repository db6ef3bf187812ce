from doorward.backends.memory.rates import SWEEP_AT, MemoryRates
from tests.contract.rates import Clock, RatesContract, one, taken


class TestMemoryRates(RatesContract):
    make = staticmethod(MemoryRates)


def test_full_buckets_are_not_kept() -> None:
    clock = Clock()
    rates = MemoryRates(clock)
    for number in range(20 * SWEEP_AT):
        rates.take(one("10/s", str(number)))
        clock.pass_s(0.01)
    assert len(rates) <= SWEEP_AT


def test_a_bucket_that_is_not_full_is_kept_however_many_there_are() -> None:
    clock = Clock()
    rates = MemoryRates(clock)
    assert taken(rates, one("3/d", "mine"), 5) == 3
    for number in range(3 * SWEEP_AT):
        rates.take(one("1/d", str(number)))
    assert len(rates) == 3 * SWEEP_AT + 1
    assert taken(rates, one("3/d", "mine"), 5) == 0


def test_the_look_for_full_buckets_loses_none_that_is_in_use() -> None:
    clock = Clock()
    rates = MemoryRates(clock)
    for number in range(SWEEP_AT - 1):
        rates.take(one("10/s", str(number)))
    clock.pass_s(1)
    both = one("1/h", "0") + one("1/h", "new")
    assert rates.take(both) is None
    assert rates.take(one("1/h", "0")) is not None
    assert rates.take(one("1/h", "new")) is not None
