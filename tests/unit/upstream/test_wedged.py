from doorward.upstream.wedged import Silence


def test_calls_in_a_row_without_a_word_make_it_wedged_once() -> None:
    silence = Silence(3, 1.0)
    assert not silence.unanswered(began=0.0, now=1.0, spoke=True)
    assert not silence.unanswered(began=1.0, now=2.0, spoke=False)
    assert silence.unanswered(began=2.0, now=3.0, spoke=False)
    assert not silence.unanswered(began=3.0, now=4.0, spoke=False)


def test_a_word_begins_the_row_anew() -> None:
    silence = Silence(2, 0.0)
    for number in range(20):
        assert not silence.unanswered(began=number, now=number + 1.0, spoke=True)
    assert silence.unanswered(began=20.0, now=21.0, spoke=False)


def test_calls_that_ran_side_by_side_count_once() -> None:
    silence = Silence(2, 0.0)
    assert not any(silence.unanswered(began=number / 8, now=9.0, spoke=False) for number in range(8))
    assert silence.unanswered(began=9.0, now=18.0, spoke=False)


def test_who_is_cancelled_soon_says_little() -> None:
    silence = Silence(2, 60.0)
    for number in range(1, 30):
        assert not silence.unanswered(began=number, now=number + 1.0, spoke=False)
    assert silence.unanswered(began=90.0, now=91.0, spoke=False)


def test_none_is_ever_wedged_where_any_number_may_go_unanswered() -> None:
    silence = Silence(0, 0.0)
    assert not any(silence.unanswered(began=number, now=number + 1.0, spoke=False) for number in range(50))
