"""What is remembered is bounded, and forgetting changes no answer."""

from doorward.model.target import Kind
from doorward.policy.memo import Memo
from tests.unit.policy.build import BOT, aim, engine, grant, scope, tool


def test_a_full_memo_starts_again() -> None:
    memo: Memo[int, int] = Memo(3)
    for number in range(10):
        assert memo.put(number, -number) == -number
        assert memo[number] == -number
        assert len(memo) <= 3


def test_callers_cannot_fill_memory_with_what_they_ask_for() -> None:
    made = engine(grant(tools=scope(["*"]), resources=scope(["*"])), offers=[tool("t")])
    book = made._books["gh"]
    made.decide(BOT, aim("a:" + "x" * 1_000, Kind.RESOURCE), None)
    made.decide(BOT, aim("not listed"), None)
    assert (len(book.uris), len(book.names)) == (0, 0)
    made.decide(BOT, aim("a:b", Kind.RESOURCE), None)
    made.decide(BOT, aim("t"), None)
    assert (len(book.uris), len(book.names)) == (1, 1)


def test_forgetting_changes_no_answer() -> None:
    made = engine(grant(tools=scope(["a*"], deny=["ab"])), offers=[tool(name) for name in ("a", "ab", "b")])
    first = [made.decide(BOT, aim(name), None) for name in ("a", "ab", "b")]
    book = made._books["gh"]
    for memo in (book.names, book.uris, book._alike, book._static, book._conditions, book._rules):
        memo.clear()
    assert [made.decide(BOT, aim(name), None) for name in ("a", "ab", "b")] == first
