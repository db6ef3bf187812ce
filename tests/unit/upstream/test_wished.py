"""Who wants to hear of what: the books always agree with the wishes that are in them."""

from hypothesis import given
from hypothesis import strategies as st

from doorward.ports.watched import Wish
from doorward.upstream.wished import DEPTH, Wished

HOLDERS = st.sampled_from(["a", "b", "c"])
URIS = st.sets(st.sampled_from(["u:1", "u:2", "u:1/x"]))
WISHES = st.none() | st.builds(
    lambda uris, owner, lists: Wish("s", owner, {uri: f"my+{uri}" for uri in uris}, lists),
    URIS,
    st.sampled_from(["anna", "otto"]),
    st.booleans(),
)


def books() -> Wished:
    return Wished(lambda session, owner: owner if session is not None else None)


@given(st.lists(st.tuples(HOLDERS, WISHES)))
def test_books_say_what_the_last_wish_of_each_holder_says(changes: list[tuple[str, Wish | None]]) -> None:
    wished, last = books(), dict[str, Wish]()
    for holder, wish in changes:
        had = holder in last
        last.pop(holder, None)
        if wish is not None and (wish.uris or wish.lists):
            last[holder] = wish
        assert wished.change(holder, wish) is (had or holder in last)

    assert wished.by_holder == last
    assert wished.lists == any(wish.lists for wish in last.values())
    for owner in ("anna", "otto"):
        of_owner = {holder: wish for holder, wish in last.items() if wish.owner == owner}
        assert wished.text(owner) == sum(len(uri) for wish in of_owner.values() for uri in wish.uris)
        assert len(wished.needed(owner)) == sum(bool(wish.uris) for wish in of_owner.values())
        told = {holder for holder, wish in of_owner.items() if "u:2" in wish.uris}
        assert wished.holders(owner, "u:2") == [(holder, "my+u:2") for holder in sorted(told)]


def test_no_more_of_a_path_is_taken_off_than_its_bound() -> None:
    wished = books()
    wished.change("a", Wish("s", "anna", {"f:/top": "my+f:/top"}))

    assert wished.holders(None, "f:/top" + "/d" * (DEPTH - 1)) != []
    assert wished.holders(None, "f:/top" + "/d" * (DEPTH + 1)) == []
