"""An issuer of a test, in a thread of its own: any token that is wanted, whatever it says."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.issuer import FakeIssuer, serving
from tests.support.tokens import Mint


@contextmanager
def minting(audience: str) -> Iterator[Mint]:
    """It answers, and publishes the keys of what it mints, for a while."""
    made: list[Mint] = []
    ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(FakeIssuer()) as issuer:
            mint = Mint(issuer.url, audience)
            issuer.publish("", mint.public())
            made.append(mint)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(30), "the issuer does not answer"
        yield made[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
