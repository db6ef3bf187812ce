"""What a disk that fills up means."""

from hypothesis import given
from hypothesis import strategies as st

from doorward.audit.pressure import SLACK, Limits, pressure
from doorward.ports.audit import Pressure

LIMITS = Limits(90, 98, 99)


def test_each_limit_has_its_meaning() -> None:
    found = [pressure(used, LIMITS) for used in (0, 89.9, 90, 97.9, 98, 99, 100)]
    assert [each.name for each in found] == [
        "NONE", "NONE", "ALL_STRICT", "ALL_STRICT", "NO_WRITES", "NOTHING", "NOTHING",
    ]  # fmt: skip


def test_it_is_lifted_with_some_slack() -> None:
    assert pressure(89.9, LIMITS, Pressure.ALL_STRICT) is Pressure.ALL_STRICT
    assert pressure(89.4, LIMITS, Pressure.ALL_STRICT) is Pressure.NONE
    assert pressure(50, LIMITS, Pressure.NOTHING) is Pressure.NONE


@given(st.floats(0, 100), st.sampled_from(Pressure))
def test_it_never_is_less_than_the_disk_says_and_never_more_than_the_slack(
    used: float, before: Pressure
) -> None:
    found = pressure(used, LIMITS, before)
    assert pressure(used, LIMITS) <= found <= max(pressure(used, LIMITS), pressure(used + SLACK, LIMITS))
