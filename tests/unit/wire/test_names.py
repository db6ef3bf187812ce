import re

from hypothesis import given
from hypothesis import strategies as st

from doorward.wire.names import MAX_LENGTH, expose

SERVERS = st.from_regex(r"[a-z0-9-]{1,16}", fullmatch=True)
TOOLS = st.text(min_size=1, max_size=130) | st.from_regex(r"[A-Za-z0-9_.-]{1,128}", fullmatch=True)


def test_the_plain_form() -> None:
    assert expose("git", "log_all", set()) == "git__log_all"
    assert expose("a", "x" * 61, set()) == "a__" + "x" * 61


def test_the_other_form_is_stable() -> None:
    assert expose("git", "a.b", set()) == "git__a_b_244c9523"
    long = expose("git", "x" * 128, set())
    assert len(long) == MAX_LENGTH
    assert long == expose("git", "x" * 128, {"other"})
    assert long != expose("git", "x" * 127, set())


@given(st.lists(st.tuples(SERVERS, TOOLS), max_size=12, unique=True))
def test_names_are_legal_and_unique_without_regard_to_case(tools: list[tuple[str, str]]) -> None:
    taken: dict[str, str] = {}
    for server, tool in tools:
        name = expose(server, tool, taken)
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)
        assert name.lower() not in taken
        taken[name.lower()] = tool


def test_a_tool_cannot_take_the_name_that_another_was_given() -> None:
    hidden = expose("git", "a.b", set())
    imitation = hidden.removeprefix("git__")
    assert expose("git", imitation, {hidden}) != hidden
    assert expose("git", "A", {"git__a"}).lower() != "git__a"


def test_what_splits_in_two_ways_is_two_names() -> None:
    first = expose("a", "b__c", set())
    assert expose("a__b", "c", {first}) != first
