import json
from typing import Any

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.pages import walk

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
async def test_a_list_that_would_hold_up_everybody_is_refused() -> None:
    fetch, asked = pages(*({"tools": [{}] * 4000, "nextCursor": str(number)} for number in range(20)))
    with pytest.raises(UpstreamError, match="more than 10000 items") as caught:
        await walk("s", "tools/list", fetch, 100)
    assert caught.value.reason is Reason.UPSTREAM_REPLY_TOO_LARGE
    assert len(asked) == 3
