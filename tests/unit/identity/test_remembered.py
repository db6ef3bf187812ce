from hypothesis import given
from hypothesis import strategies as st

from doorward.identity.remembered import Remembered

KEYS = st.binary(min_size=1, max_size=1)


def test_what_is_asked_for_again_outlives_strangers() -> None:
    memory: Remembered[int] = Remembered(4)
    memory.put(b"mine", 1)
    for stranger in range(100):
        assert memory.get(b"mine") == 1
        memory.put(b"%d" % stranger, stranger)
    assert len(memory) <= 4


def test_what_nobody_asks_for_goes() -> None:
    memory: Remembered[int] = Remembered(4)
    memory.put(b"mine", 1)
    for stranger in range(5):
        memory.put(b"%d" % stranger, stranger)
    assert memory.get(b"mine") is None


@given(st.lists(st.tuples(st.sampled_from(["put", "get", "drop"]), KEYS)), st.integers(2, 8))
def test_it_says_what_was_put_last_or_nothing_and_stays_in_bounds(
    steps: list[tuple[str, bytes]], limit: int
) -> None:
    memory: Remembered[int] = Remembered(limit)
    told: dict[bytes, int] = {}
    for number, (verb, key) in enumerate(steps):
        if verb == "put":
            memory.put(key, number)
            told[key] = number
            assert memory.get(key) == number
        elif verb == "drop":
            memory.drop(key)
            told.pop(key, None)
            assert memory.get(key) is None
        else:
            assert memory.get(key) in (None, told.get(key))
        assert len(memory) <= limit


def test_clear_forgets_both_generations() -> None:
    memory: Remembered[int] = Remembered(2)
    for key in (b"a", b"b"):
        memory.put(key, 1)
    memory.clear()
    assert (memory.get(b"a"), memory.get(b"b"), len(memory)) == (None, None, 0)
