"""One issuer's keys, kept recent in the background; who needs them now waits for the question under way.

Every question is a task of its own: who waits for it may be cancelled, and the others still get the answer.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from doorward.identity import keyset, metadata
from doorward.identity.freshness import REFRESH_S, Freshness
from doorward.identity.issuers import IssuerSettings
from doorward.identity.keyset import KeySet
from doorward.identity.metadata import Metadata
from doorward.ports.fetch import Fetch, FetchFailed

PATIENCE_S: Final = 10.0
"""For metadata and keys together."""


class IssuerKeys:
    """Lives as long as the process, also when the rest of the configuration changes."""

    def __init__(
        self,
        settings: IssuerSettings,
        fetch: Fetch,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`changed` is called when a key that could be used is gone. `clock`: seconds, never going back."""
        self.settings = settings
        self._fetch = fetch
        self._changed = changed
        self._clock = clock
        self._fresh = Freshness()
        self._asking: asyncio.Task[None] | None = None
        self._metadata: tuple[Metadata, float] | None = None

    @property
    def failure(self) -> str | None:
        """Why the last question brought no keys; None when it did, or when nobody has asked."""
        return self._fresh.failure

    def succeed(self, before: "IssuerKeys") -> None:
        """Begin with the keys that `before` has, if they come from the same place and are read alike: they
        are asked for anew all the same."""
        if self.settings.source == before.settings.source:
            self._fresh.keys = before._fresh.keys  # noqa: SLF001 - its own kind
            self._fresh.fetched_at = before._fresh.fetched_at  # noqa: SLF001

    def usable(self) -> KeySet | None:
        """The last good keys, as long as they may be used."""
        return self._fresh.usable(self._clock())

    def may_ask(self) -> bool:
        """Whether asking now could help: a question is under way, or one may be begun."""
        return self._asking is not None or self._fresh.may_ask(self._clock())

    async def refresh(self) -> None:
        """Ask, or wait for the answer to a question under way. Never raises: `usable` and `failure` tell."""
        if self._asking is None:
            self._fresh.begin(self._clock())
            self._asking = asyncio.get_running_loop().create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        await asyncio.shield(self._asking)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            wait = self._fresh.next_refresh(self._clock())
            if wait <= 0.0:
                await self.refresh()
            else:
                await asyncio.sleep(wait)

    async def introspection_endpoint(self) -> str:
        """Raises FetchFailed."""
        wanted = self.settings.introspection
        if wanted is not None and wanted.endpoint is not None:
            return wanted.endpoint
        async with asyncio.timeout(PATIENCE_S):
            found = (await self._recent_metadata()).introspection_endpoint
        if found is None:
            raise FetchFailed("the issuer's metadata names no introspection endpoint")
        return found

    def _asked(self, asking: asyncio.Task[None]) -> None:
        self._asking = None

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await self._get_keys()
        except (FetchFailed, ValueError, TimeoutError) as error:
            self._fresh.failed(str(error) or "the issuer did not answer in time")
            return
        if self._fresh.succeeded(found, self._clock()):
            self._changed()

    async def _get_keys(self) -> KeySet:
        url = self.settings.jwks_uri or (await self._get_metadata()).jwks_uri
        if url is None:
            raise ValueError("the issuer's metadata names no keys (jwks_uri)")
        document = await self._document(url, keyset.MAX_BYTES)
        return keyset.read(document, self.settings.algorithms)

    async def _recent_metadata(self) -> Metadata:
        if self._metadata is not None and self._clock() - self._metadata[1] < REFRESH_S:
            return self._metadata[0]
        return await self._get_metadata()

    async def _get_metadata(self) -> Metadata:
        why = ""
        for url in metadata.locations(self.settings.location):
            try:
                document = await self._document(url, metadata.MAX_BYTES)
                found = metadata.read(document, self.settings.issuer)
            except (FetchFailed, ValueError) as error:
                why = why or str(error)  # of the first, which is where it should be
                continue
            self._metadata = found, self._clock()
            return found
        raise FetchFailed(f"the issuer's metadata cannot be had: {why}")

    async def _document(self, url: str, most: int) -> bytes:
        """Raises FetchFailed."""
        found = await self._fetch.get(url, most=most, ca=self.settings.ca)
        if found.status != 200:
            raise FetchFailed(f"status {found.status} where a document was expected")
        return found.body
