"""What is remembered is bounded, and forgetting changes no answer."""

from doorward.model.target import Kind
from doorward.model.verdict import Allow
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


def test_servers_under_the_same_rules_are_asked_about_once() -> None:
    """What Cedar says of one server's tool holds for the other's; with another rule it is asked again."""
    everywhere = scope(["a*"], deny=["ab"])
    grants = (
        grant(servers=["gh", "jira"], tools=everywhere),
        grant(servers=["jira"], tools=scope(deny=["ad"])),
    )
    offers = [tool(name, server=server) for server in ("gh", "jira") for name in ("ac", "ab", "ad")]
    made = engine(*grants, offers=offers, servers=("gh", "jira"))

    def allowed(server: str, name: str) -> bool:
        return isinstance(made.decide(BOT, aim(name, server=server), None), Allow)

    assert [allowed("gh", name) for name in ("ac", "ab", "ad")] == [True, False, True]
    known = len(made._alike)
    assert [allowed("jira", name) for name in ("ac", "ab")] == [True, False]
    assert len(made._alike) == known == 2
    assert not allowed("jira", "ad")
    assert len(made._alike) == known + 1


def test_the_rules_that_are_named_are_the_servers_own() -> None:
    """A rule in front that only one server has moves the positions of all that follow."""
    shared = grant(servers=["*"], tools=scope(["x"]))
    first = grant(servers=["jira"], tools=scope(["y"]))
    made = engine(
        first, shared, offers=[tool("x", server=server) for server in ("gh", "jira")], servers=("gh", "jira")
    )

    for server in ("gh", "jira"):
        verdict = made.decide(BOT, aim("x", server=server), None)
        assert isinstance(verdict, Allow)
        assert verdict.rules == (shared.tools.allow[0].at,)
