import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit import digests
from doorward.audit.digests import DigestKey, DigestKeys
from doorward.model.canonical import canonical
from doorward.model.steps import drained

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.binary(max_size=64), st.binary(max_size=300))
def test_is_hmac_sha256(key: bytes, data: bytes) -> None:
    assert DigestKey("k", key).digest(data) == hmac.new(key, data, hashlib.sha256).hexdigest()


def test_can_be_used_again() -> None:
    key = DigestKey("k", b"key")
    assert [key.digest(b"a"), key.digest(b"b"), key.digest(b"a")] == [
        hmac.new(b"key", data, hashlib.sha256).hexdigest() for data in (b"a", b"b", b"a")
    ]


def test_refuses_a_key_that_would_have_to_be_hashed_first() -> None:
    with pytest.raises(ValueError, match="longer"):
        DigestKey("k", b"x" * 65)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_canonical_does_not_depend_on_the_order_of_members(value: dict[str, Any]) -> None:
    def reversed_members(given: Any) -> Any:
        match given:
            case dict():
                return {name: reversed_members(given[name]) for name in reversed(given)}
            case list():
                return [reversed_members(item) for item in given]
        return given

    assert canonical(reversed_members(value)) == canonical(value)
    assert json.loads(canonical(value)) == value


class Ring:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def current(self, purpose: str) -> tuple[int, bytes]:
        self.asked.append(purpose)
        return 3, hashlib.sha256(purpose.encode()).digest()

    def version(self, purpose: str, number: int) -> bytes:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("day", "quarter"),
    [
        ((2026, 1, 1), "2026q1"),
        ((2026, 3, 31), "2026q1"),
        ((2026, 4, 1), "2026q2"),
        ((2026, 9, 30), "2026q3"),
        ((2026, 12, 31), "2026q4"),
        ((2027, 1, 1), "2027q1"),
    ],
)
def test_the_key_is_that_of_the_quarter(day: tuple[int, int, int], quarter: str) -> None:
    moment = datetime(*day, 12, tzinfo=UTC).timestamp()
    assert DigestKeys(Ring(), "default").at(moment).name == f"digest:default:{quarter}:3"


def test_the_key_changes_at_the_turn_of_the_quarter_and_not_before() -> None:
    ring = Ring()
    keys = DigestKeys(ring, "default")
    turn = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    before = keys.at(turn - 0.001)
    assert keys.at(turn - 0.0001) is before
    after = keys.at(turn)
    assert before.digest(b"x") != after.digest(b"x")
    assert ring.asked == ["digest:default:2026q4", "digest:default:2027q1"]


@given(st.binary(max_size=300), st.integers(1, 64))
def test_in_steps_it_is_the_same_digest(data: bytes, step: int) -> None:
    key = DigestKey("k", b"secret")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "STEP", step)
        assert drained(key.steps(data)) == key.digest(data)


def test_a_known_digest_stands_in_for_what_it_is_of() -> None:
    data, key = b"large", DigestKey("k", b"secret")
    known = digests.Digested(key, data, "beef")
    assert (known.name, known.digest(data)) == ("k", "beef")
    assert known.digest(b"another") == key.digest(b"another")
