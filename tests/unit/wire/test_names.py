"""Names at the aggregate: legal everywhere, unique, and never the name of something else tomorrow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.wire.names import MAX_LENGTH, expose

SERVERS = st.from_regex(r"[a-z0-9-]{1,16}", fullmatch=True)
TOOLS = (
    st.text(min_size=1, max_size=130)
    | st.from_regex(r"[A-Za-z0-9_.-]{1,128}", fullmatch=True)
    | st.sampled_from(["a", "A", "a.b", "a_b", "a_b_244c9523", "A_B_244C9523"])
)
LISTS = st.lists(TOOLS, max_size=8, unique=True)


def one(server: str, tool: str, *others: str) -> str:
    return expose(server, [tool, *others])[tool]


@pytest.mark.spec("DW-320")
def test_the_plain_form() -> None:
    assert one("git", "log_all") == "git__log_all"
    assert one("a", "x" * 61) == "a__" + "x" * 61


@pytest.mark.spec("DW-321")
def test_the_other_form_is_stable() -> None:
    assert one("git", "a.b") == "git__a_b_244c9523"
    long = one("git", "x" * 128)
    assert len(long) == MAX_LENGTH
    assert long == one("git", "x" * 128, "other")
    assert long != one("git", "x" * 127)


@pytest.mark.spec("DW-322")
def test_two_names_of_one_hash_are_two_names_still() -> None:
    """A server can look for such a pair: these two are alike in all that is left of them."""
    first, second = "\u4e0c\u4e46", "\u4e82\u4ff8"
    shown = expose("s", [first, second])

    assert one("s", first) == one("s", second) == shown[first] == "s_____18c7f45b"
    assert re.fullmatch(r"s_____[0-9a-f]{8}", shown[second])
    assert shown[second] != shown[first]


@pytest.mark.spec("DW-322")
@given(st.dictionaries(SERVERS, LISTS, max_size=4))
def test_names_are_legal_and_unique_without_regard_to_case(offers: dict[str, list[str]]) -> None:
    names = [name for server, tools in offers.items() for name in expose(server, tools).values()]

    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    assert len({name.lower() for name in names}) == len(names) == sum(map(len, offers.values()))


@pytest.mark.spec("DW-323")
@given(SERVERS, LISTS, st.randoms())
def test_the_order_of_a_list_does_not_matter(server, tools, random) -> None:
    shuffled = random.sample(tools, len(tools))
    assert expose(server, tools) == expose(server, shuffled)


@pytest.mark.spec("DW-324")
@given(SERVERS, LISTS, LISTS)
def test_a_name_never_comes_to_mean_another_tool(server, before, added) -> None:
    first, then = expose(server, before), expose(server, before + added)
    meant = {name.lower(): tool for tool, name in first.items()}
    for tool, name in then.items():
        assert meant.get(name.lower(), tool) == tool


@pytest.mark.spec("DW-324")
def test_a_tool_cannot_take_the_name_that_another_was_given() -> None:
    hidden = one("git", "a.b")
    imitation = hidden.removeprefix("git__")

    assert one("git", "a.b", imitation) == hidden
    assert one("git", imitation, "a.b").lower() != hidden.lower()


@pytest.mark.spec("DW-322")
def test_twins_in_another_case_both_lose_the_plain_name() -> None:
    names = expose("git", ["get", "Get"])

    assert "git__get" not in {name.lower() for name in names.values()}
    assert names == expose("git", ["Get", "get"])
