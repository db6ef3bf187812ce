import time
from uuid import RFC_4122, UUID

from doorward.audit.ids import CallIds, uuid7


def test_is_a_uuid_of_version_7() -> None:
    for _ in range(200):
        text = uuid7()
        parsed = UUID(text)
        assert str(parsed) == text
        assert (parsed.version, parsed.variant) == (7, RFC_4122)


def test_begins_with_the_milliseconds_since_1970() -> None:
    before = time.time_ns() // 1_000_000
    stamp = UUID(uuid7()).int >> 80
    assert before <= stamp <= time.time_ns() // 1_000_000


def test_later_ones_sort_later() -> None:
    ids = []
    for _ in range(50):
        ids.append(uuid7())
        start = time.time_ns()
        while time.time_ns() - start < 1_000:
            pass
    assert ids == sorted(ids)


def test_none_comes_twice() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_a_call_s_id_is_a_uuid_of_version_7_and_comes_once() -> None:
    ids = CallIds()
    minted = [ids.mint() for _ in range(10_000)]  # several blocks of noise
    assert len({text[18:] for text in minted}) == len(minted)
    assert all(str(UUID(text)) == text for text in minted)
    assert {(UUID(text).version, UUID(text).variant) for text in minted} == {(7, RFC_4122)}
    assert minted == sorted(minted, key=lambda text: text[:18])


def test_a_call_s_id_says_the_same_time_as_any_other() -> None:
    ids = CallIds()
    for _ in range(200):
        assert uuid7()[:17] <= ids.mint()[:17] <= uuid7()[:17]
