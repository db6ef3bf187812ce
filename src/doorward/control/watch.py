"""Keeps what a gateway knows of the store true, whichever process changes it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from doorward.control.outbox import BATCH, write
from doorward.model.errors import GatewayError
from doorward.ports.audit import AuditLog
from doorward.ports.store import KeyRecord, Store

POLL_S: Final = 0.25


class StoreWatch:
    """Looks at the epoch every `poll_s` seconds, in a thread, and sooner after `wake`."""

    def __init__(
        self,
        store: Store,
        log: AuditLog,
        *,
        apply: Callable[[Sequence[KeyRecord]], None],
        confirm: Callable[[], None],
        poll_s: float = POLL_S,
    ) -> None:
        """`apply` gets all keys when something changed, `confirm` is called when nothing did."""
        self._store = store
        self._log = log
        self._apply = apply
        self._confirm = confirm
        self._poll_s = poll_s
        self._applied: int | None = None
        self._woken = asyncio.Event()
        self.failure: GatewayError | None = None
        """Why the last look failed; None while all is well."""

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. A failing store or log is tried again at the next look."""
        while True:
            try:
                await self.look()
                self.failure = None
            except GatewayError as error:
                self.failure = error
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
        # Read before the outbox: so every change in `keys` has its record among those written below. A change
        # after `epoch` was read is applied now and once more at the next look.
        keys = await asyncio.to_thread(self._store.keys)
        while entries := await asyncio.to_thread(self._store.outbox, 0, BATCH):
            await write(entries, self._log)
            await asyncio.to_thread(self._store.outbox_done, entries[-1].seq)
        self._apply(keys)
        self._applied = epoch
