"""Work in steps, done at once."""

import pytest

from doorward.model.steps import Steps, drained


def test_all_steps_are_taken_and_the_result_comes_out() -> None:
    taken: list[int] = []

    def work() -> Steps[str]:
        for number in range(3):
            taken.append(number)
            yield
        return "done"

    assert drained(work()) == "done"
    assert taken == [0, 1, 2]


def test_what_a_step_raises_is_raised() -> None:
    def work() -> Steps[str]:
        yield
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        drained(work())
