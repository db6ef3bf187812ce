import asyncio
import json
from typing import Any

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.pages import AT_ONCE, walk

pytestmark = [pytest.mark.asyncio]


def pages(*bodies: Any) -> Any:
    asked: list[dict[str, Any]] = []

    async def fetch(params: dict[str, Any]) -> bytes:
        asked.append(params)
        body = bodies[min(len(asked), len(bodies)) - 1]
        return body if isinstance(body, bytes) else json.dumps(body).encode()

    return fetch, asked


@pytest.mark.spec("DW-180")
async def test_every_page_is_walked_an_empty_cursor_included() -> None:
    fetch, asked = pages({"tools": [{"name": "a"}], "nextCursor": ""}, {"tools": [{"name": "b"}]})
    assert await walk("s", "tools/list", fetch, 10) == [{"name": "a"}, {"name": "b"}]
    assert asked == [{}, {"cursor": ""}]


@pytest.mark.spec("DW-184", "DW-286")
@pytest.mark.parametrize(
    "body",
    [
        {"tools": [], "nextCursor": "same"},
        {"tools": [], "nextCursor": 7},
        {"tools": ["x"]},
        {"tools": [{"name": "a"}, 7]},
        {"tools": {"name": "a"}},
        b'{"tools":[{"name":"\\ud800"}]}',
        b'{"tools":[{"name":"\xff"}]}',
        b'{"tools":[],"nextCursor":"\xff"}',
        b'{"tools":[' + b"[" * 5_000 + b"]" * 5_000 + b"]}",
        {"tools": None},
        {},
        [],
        b"x",
        b"[" * 100_000,
    ],
)
async def test_a_list_that_is_none_is_never_cut_short(body: Any) -> None:
    fetch, _ = pages(body)
    with pytest.raises(UpstreamError) as caught:
        await walk("s", "tools/list", fetch, 10)
    assert caught.value.reason is Reason.UPSTREAM_PROTOCOL_ERROR


@pytest.mark.spec("DW-184")
async def test_pages_without_end_are_refused() -> None:
    fetch, asked = pages(*({"tools": [], "nextCursor": str(number)} for number in range(20)))
    with pytest.raises(UpstreamError, match="more than 10 pages"):
        await walk("s", "tools/list", fetch, 10)
    assert len(asked) == 10


@pytest.mark.spec("DW-184")
async def test_a_cycle_is_left_at_once_and_not_at_the_last_page() -> None:
    turns = [{"tools": [{"name": "x"}], "nextCursor": cursor} for cursor in "abab"]
    fetch, asked = pages(*turns)
    with pytest.raises(UpstreamError, match="repeats a cursor"):
        await walk("s", "tools/list", fetch, 10)
    assert asked == [{}, {"cursor": "a"}, {"cursor": "b"}]


@pytest.mark.spec("DW-184")
async def test_a_list_that_would_hold_up_everybody_is_refused() -> None:
    fetch, asked = pages(*({"tools": [{}] * 4000, "nextCursor": str(number)} for number in range(20)))
    with pytest.raises(UpstreamError, match="more than 10000 items") as caught:
        await walk("s", "tools/list", fetch, 100)
    assert caught.value.reason is Reason.UPSTREAM_REPLY_TOO_LARGE
    assert len(asked) == 3


async def test_a_long_page_is_read_while_others_have_their_turn() -> None:
    fetch, _ = pages({"tools": [{"name": f"t{n}"} for n in range(2_000)]})
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    assert len(await walk("s", "tools/list", fetch, 10)) == 2_000
    task.cancel()
    assert turns >= 2_000 // AT_ONCE
