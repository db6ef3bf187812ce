"""Keeps what a gateway knows of the store true, whichever process changes it."""

import asyncio
from collections.abc import Callable
from typing import Final

from doorward.control.outbox import BATCH, write
from doorward.model.errors import GatewayError
from doorward.ports.audit import AuditLog
from doorward.ports.store import Store, StoreFacts

POLL_S: Final = 0.25


class StoreWatch:
    """Looks at the epoch every `poll_s` seconds, in a thread, and sooner after `wake`."""

    def __init__(
        self,
        store: Store,
        log: AuditLog,
        *,
        apply: Callable[[StoreFacts], None],
        confirm: Callable[[], None],
        poll_s: float = POLL_S,
    ) -> None:
        """`apply` gets all facts when something changed, `confirm` is called when nothing did."""
        self._store = store
        self._log = log
        self._apply = apply
        self._confirm = confirm
        self._poll_s = poll_s
        self._applied: int | None = None
        self._woken = asyncio.Event()
        self._waiting: list[asyncio.Future[GatewayError | None]] = []
        self.failure: GatewayError | None = None
        """Why the last look failed; None while all is well."""

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    async def applied(self) -> None:
        """Returns once all that the store holds now is in force; only while `run` does. Raises GatewayError
        when the look for it fails: then it is in force as soon as one does not."""
        told = asyncio.get_running_loop().create_future()
        self._waiting.append(told)
        self.wake()
        failure = await told
        if failure is not None:
            raise failure

    async def run(self) -> None:
        """Until cancelled. A failing store or log is tried again at the next look."""
        while True:
            waiting, self._waiting = self._waiting, []
            try:
                await self.look()
                self.failure = None
            except GatewayError as error:
                self.failure = error
            for told in waiting:
                if not told.done():
                    told.set_result(self.failure)
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def look(self) -> None:
        """Apply what changed since the last look, its change records first. Raises GatewayError."""
        epoch = await asyncio.to_thread(self._store.epoch)
        if epoch == self._applied:
            self._confirm()
            return
        # Read before the outbox: so every change in `facts` has its record among those written below.
        facts = await asyncio.to_thread(self._store.facts)
        while entries := await asyncio.to_thread(self._store.outbox, 0, BATCH):
            await write(entries, self._log)
            await asyncio.to_thread(self._store.outbox_done, entries[-1].seq)
        self._apply(facts)
        self._applied = facts.epoch
