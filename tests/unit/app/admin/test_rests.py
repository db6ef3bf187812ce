from doorward.app.admin.rests import REST, STEP_S, Rests


class Clock:
    """Moves on by what is slept, and as it is told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_rests_are_as_long_as_the_work_before_them() -> None:
    clock = Clock()
    rests = Rests(clock, clock.sleep)
    for _ in range(100):
        clock.now += STEP_S / 4
        rests()
    worked = 100 * STEP_S / 4
    assert len(clock.slept) in {20, 25}  # by the fourth or fifth piece, as floats add up
    assert abs(sum(clock.slept) - REST * worked) < REST * STEP_S


def test_a_short_piece_of_work_is_not_held_up() -> None:
    clock = Clock()
    rests = Rests(clock, clock.sleep)
    clock.now += STEP_S / 2
    rests()
    assert clock.slept == []


def test_a_thread_that_was_away_does_not_make_up_for_it() -> None:
    clock = Clock()
    rests = Rests(clock, clock.sleep)
    clock.now += 3600.0
    rests()
    assert clock.slept == [REST * 10 * STEP_S]
