"""What a bound says of itself."""

import pytest

from doorward.model.bounds import Bounds, Rate


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [("1/s", 1, 1), ("100/min", 100, 60), ("5000/h", 5000, 3600), ("999999999/d", 999_999_999, 86_400)],
)
def test_a_rate_is_read_and_written_alike(text: str, count: int, seconds: float) -> None:
    rate = Rate.parse(text)
    assert rate == Rate(count, seconds)
    assert str(rate) == text


@pytest.mark.parametrize(
    "text",
    ["", "100", "0/min", "01/min", "-1/s", "1.5/s", "1/week", "1 /min", "1/min ", "9999999999/s", "١/s"],
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 100/min"):
        Rate.parse(text)


def test_a_rate_of_an_odd_window_still_says_what_it_is() -> None:
    assert str(Rate(3, 90.0)) == "3/90s"


def test_bounds_are_equal_to_themselves_only() -> None:
    one, other = Bounds(people=((),)), Bounds(people=((),))
    assert one == one  # noqa: PLR0124 - that is the point
    assert one != other
    assert len({one, other}) == 2
