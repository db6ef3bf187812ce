"""Pages that a client can follow, and cursors that tell nothing."""

import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.catalog.snapshot import Snapshot
from doorward.model.call import Era
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.pipeline.lists import STEP, Lists, cursor
from doorward.wire.presentable import can_be_shown
from tests.playbook.house import BOT, House
from tests.unit.catalog.build import call
from tests.unit.catalog.build import listing as listed
from tests.unit.policy.build import grant, scope

TOOLS = tuple(f"t{n}" for n in range(STEP * 3 + 1))
HIDDEN = "t3"
SHOWN = [f"bank__{name}" for name in TOOLS if name != HIDDEN]


def house(*tools: str) -> House:
    return House(
        grants=(grant(servers=["bank"], tools=scope(["*"], [HIDDEN])),),
        tools={"bank": [{"name": name, "inputSchema": {"type": "object"}} for name in tools or TOOLS]},
    )


async def asked(lists: Lists, given: object = None, method: str = "tools/list") -> dict:
    params = {} if given is None else {"cursor": given}
    reply = await lists.answer(call(method, params, None), BOT)
    return json.loads(reply.result or b"")


def names(page: dict) -> list[str]:
    return [tool["name"] for tool in page["tools"]]


@pytest.mark.spec("DW-181")
@pytest.mark.asyncio
async def test_by_default_there_is_one_page() -> None:
    page = await asked(Lists(house().offer))

    assert names(page) == SHOWN
    assert "nextCursor" not in page


@pytest.mark.spec("DW-182")
@pytest.mark.asyncio
@pytest.mark.parametrize("size", [1, 2, len(SHOWN) - 1, len(SHOWN), len(SHOWN) + 1, 100_000])
async def test_the_pages_together_are_the_list(size: int) -> None:
    lists = Lists(house().offer, size)
    pages, following = [], None
    while True:
        page = await asked(lists, following)
        pages.append(names(page))
        following = page.get("nextCursor")
        if following is None:
            break

    assert [name for page in pages for name in page] == SHOWN
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= size


@pytest.mark.spec("DW-186")
@pytest.mark.asyncio
async def test_a_modern_page_says_the_rest_too() -> None:
    reply = await Lists(house().offer, 1).answer(
        msgspec.structs.replace(call("tools/list", {}, None), era=Era.MODERN, version="2026-07-28"), BOT
    )

    page = json.loads(reply.result or b"")
    assert (page["resultType"], page["cacheScope"]) == ("complete", "private")
    assert page["nextCursor"]


@pytest.mark.spec("DW-182")
@pytest.mark.asyncio
async def test_what_comes_in_between_moves_nothing_and_what_goes_ends_the_walk() -> None:
    made = house()
    lists = Lists(made.offer, 2)
    following = (await asked(lists))["nextCursor"]

    made.offer.snapshot = Snapshot({"bank": listed("bank", tools=("new", *TOOLS))})
    made.offer.policy = made.offer.policy.with_definitions("bank", made.offer.snapshot.listings["bank"].all())
    assert names(await asked(lists, following)) == SHOWN[2:4]

    made.offer.snapshot = Snapshot({"bank": listed("bank", tools=TOOLS[:1])})
    with pytest.raises(CallerError):
        await asked(lists, following)


@pytest.mark.spec("DW-183")
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "given",
    [
        "", "!", 7, "é", ["x"], "YQ", SHOWN[0],
        cursor("tools/list", f"bank__{HIDDEN}").decode(),
        cursor("tools/list", "bank__none").decode(),
        cursor("prompts/list", SHOWN[0]).decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
    ],
)  # fmt: skip
async def test_a_cursor_that_is_not_ours_or_of_what_is_hidden(given: object) -> None:
    with pytest.raises(CallerError) as caught:
        await asked(Lists(house().offer, 2), given)

    assert (caught.value.reason, caught.value.message) == (
        Reason.CURSOR_UNKNOWN,
        "this cursor was not issued here",
    )


@pytest.mark.spec("DW-182")
@settings(max_examples=30)
@given(
    st.lists(st.text(min_size=1, max_size=20).filter(can_be_shown), unique=True, max_size=6),
    st.integers(1, 4),
)
@pytest.mark.asyncio
async def test_any_names_make_cursors_that_come_back(tools: list[str], size: int) -> None:
    lists, seen, following = Lists(house(*tools or ["x"]).offer, size), 0, None
    while True:
        page = await asked(lists, following)
        seen += len(page["tools"])
        if (following := page.get("nextCursor")) is None:
            break

    assert seen == len([name for name in tools or ["x"] if name != HIDDEN])
