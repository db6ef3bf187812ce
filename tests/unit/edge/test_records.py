from hypothesis import given
from hypothesis import strategies as st

from doorward.edge.records import Records


def record(length: int) -> bytes:
    return b"\x17\x03\x03" + length.to_bytes(2, "big") + b"x" * length


def test_one_record_is_known_at_a_glance() -> None:
    records = Records()
    assert records.is_one(record(1))
    assert records.is_one(record(16401))
    assert not records.is_one(record(20) + b"x")
    assert not records.is_one(record(20)[:-1])
    assert not records.is_one(record(20) * 2)
    assert not records.is_one(b"")
    records.add(record(20)[:3])
    assert records.take(9) == (b"", 0)
    assert not records.is_one(record(1))


def test_nothing_is_one_record_while_another_is_missing_its_end() -> None:
    records = Records()
    records.add(record(20)[:-1])
    assert records.take(9) == (record(20)[:-1], 0)
    assert not records.is_one(record(1))
    records.add(b"x")
    assert records.take(9) == (b"x", 1)
    assert records.is_one(record(1))


def test_no_more_than_was_asked_for() -> None:
    records = Records()
    records.add(record(22) * 10)
    assert records.take(4) == (record(22) * 4, 4)
    assert records.take(4) == (record(22) * 4, 4)
    assert records.take(4) == (record(22) * 2, 2)
    assert records.take(4) == (b"", 0)


def test_the_rest_of_a_record_counts_as_one() -> None:
    records = Records()
    records.add(record(22)[:9])
    assert records.take(2) == (record(22)[:9], 0)
    records.add(record(22)[9:] + record(1) * 3)
    assert records.take(2) == (record(22)[9:] + record(1), 2)
    assert records.take(2) == (record(1) * 2, 2)


@given(st.lists(st.integers(0, 70), max_size=30), st.integers(1, 5), st.data())
def test_however_it_arrives_all_of_it_is_fed_in_order(
    lengths: list[int], most: int, data: st.DataObject
) -> None:
    sent = b"".join(map(record, lengths))
    records, fed, complete, at = Records(), b"", 0, 0
    while at < len(sent):
        size = data.draw(st.integers(1, 100))
        records.add(sent[at : at + size])
        at += size
        while True:
            part, count = records.take(most)
            assert count <= most
            fed, complete = fed + part, complete + count
            if not part:
                break
    assert (fed, complete) == (sent, len(lengths))
