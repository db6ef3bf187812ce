"""A port of the web without any: documents by URL, and what became of the questions."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from doorward.ports.fetch import Basic, Fetched, FetchFailed
from tests.support.tokens import dumped

JSON = "application/json"


def json_of(value: Any, status: int = 200) -> Fetched:
    return Fetched(status, dumped(value), JSON)


class FakeFetch:
    """Answers what stands in `documents`; what is an exception is raised. `gate` holds all of it back."""

    def __init__(self) -> None:
        self.documents: dict[str, Fetched | Exception] = {}
        self.asked: Counter[str] = Counter()
        self.posted: list[tuple[dict[str, str], Basic | None, str | None]] = []
        self.gate: asyncio.Event | None = None
        self.closed = False

    async def get(self, url: str, *, most: int, ca: str | None = None) -> Fetched:
        return await self._answer(url, most)

    async def post(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        most: int,
        ca: str | None = None,
        basic: Basic | None = None,
    ) -> Fetched:
        self.posted.append((dict(form), basic, ca))
        return await self._answer(url, most)

    async def close(self) -> None:
        self.closed = True

    async def _answer(self, url: str, most: int) -> Fetched:
        self.asked[url] += 1
        if self.gate is not None:
            await self.gate.wait()
        found = self.documents.get(url)
        if found is None:
            return json_of({}, 404)
        if isinstance(found, Exception):
            raise found
        if len(found.body) > most:
            raise FetchFailed("the answer is larger than it may be")
        return found
