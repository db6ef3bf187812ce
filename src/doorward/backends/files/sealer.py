"""Makes evidence of what the log has written (observer.Observer): a tree over the records, which it signs.

A call pays for none of this: the log only adds lists to `lines`. They are hashed on the event loop in slices
of less than a millisecond, because a thread would hold the interpreter against the calls (adr/0016);
everything that touches the disk is done in a thread by `issuer.py`.
"""

import asyncio
import base64
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from doorward.audit.ids import uuid7
from doorward.audit.notes import VerifierKey
from doorward.audit.records import TENANT, VERSION, Segment, encode
from doorward.audit.tiles import TiledTree
from doorward.backends.files.durable import Files, OsFiles
from doorward.backends.files.issuer import Head, Issuer
from doorward.backends.files.recover import segment_path
from doorward.backends.files.resume import CHANGE, rotation
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.secrets import RotatingRing

SLICE_RECORDS: Final = 128
SLICE_BYTES: Final = 256 * 1024
"""One slice is at most this much: 0.3 ms of ordinary records, 0.6 ms of large ones."""


class Pace(NamedTuple):
    """When things are done; seconds."""

    seal_s: float = 0.03
    """From a write to its hashing; leaves room to keep 50 ms under load."""
    checkpoint_s: float = 10.0
    checkpoint_records: int = 1000
    least_s: float = 0.2
    """From one checkpoint to the next by the number of records: a busy log has enough of them."""
    issue_s: float = 1.0
    """From one round of file work to the next: a busy log has all that has come up since done at once."""
    retry_s: float = 1.0
    """Between two attempts to write what could not be written."""


PACE: Final = Pace()


class Sealer:
    """Of one log, used from one event loop. Give it to the SegmentLog, which calls `resume` and `close`."""

    def __init__(
        self,
        directory: Path,
        ring: RotatingRing,
        *,
        gateway: str = "",
        anchor: Path | None = None,
        files: Files | None = None,
        pace: Pace = PACE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`directory`: of the log. `gateway`: see records.Record."""
        self.lines: list[list[bytes]] = []
        self.idle = True
        self.failure: str | None = None
        """Why the newest records are not sealed; None while all is well."""
        self._directory = directory
        self._gateway = gateway
        self._pace = pace
        self._clock = clock
        self._issuer = Issuer(directory, ring, files or OsFiles(), anchor)
        self._tree = TiledTree()
        self._todo: list[bytes] = []
        self._rotations: list[VerifierKey] = []
        self._next_slice: asyncio.Handle | None = None
        """Of hashing: there is exactly one unless we are idle."""
        self._segment = 0
        self._fd = -1
        self._headed = 0
        """Size of the newest head."""
        self._heads: list[Head] = []
        """Waiting to become checkpoints, oldest first."""
        self._due: asyncio.TimerHandle | None = None
        self._work: asyncio.Task[None] | None = None
        self._next_head = 0.0
        """Loop time before which the number of records brings none."""
        self._next_round = 0.0
        """Loop time before which the disk is left alone."""
        self._hurry = asyncio.Event()
        self._closing = False

    @property
    def size(self) -> int:
        """Records in the tree."""
        return self._tree.size

    @property
    def checkpoint(self) -> int:
        """Size of the newest checkpoint."""
        return self._issuer.size

    @property
    def trouble(self) -> str | None:
        """What an operator has to know, if anything."""
        anchor = self._issuer.anchor
        return self.failure or (None if anchor is None else anchor.failure)

    def figures(self) -> dict[str, Any]:
        """For operators: how far the evidence is, and what it costs."""
        issuer = self._issuer
        mean = issuer.signing_s / issuer.issued if issuer.issued else 0.0
        return {
            "records": self.size + len(self._todo) + sum(map(len, self.lines)),
            "sealed": self.size,
            "checkpoint": self.checkpoint,
            "checkpoints_issued": issuer.issued,
            "signing_us": round(mean * 1e6),
        }

    def resume(self) -> None:
        """See observer.Observer. Raises GatewayError(STORE_UNAVAILABLE) too, for the ring, and OSError."""
        found = self._issuer.resume()
        self._tree, self._headed = found.tree, found.sealed
        self._rotations = list(found.rotations)
        self._segment = found.segment
        if found.segment:
            self._fd = os.open(segment_path(self._directory, found.segment), os.O_RDONLY)

    def wake(self) -> None:
        """See observer.Observer."""
        self.idle = False
        self._next_slice = asyncio.get_running_loop().call_later(self._pace.seal_s, self._seal)

    def catch_up(self) -> None:
        """See segments.Observer."""
        if not self.idle and self._next_slice is not None:
            self._next_slice.cancel()
            self._next_slice = asyncio.get_running_loop().call_soon(self._seal)

    def first_record(self, number: int) -> bytes:
        """See observer.Observer."""
        self._take()
        self._extend(self._todo)
        self._todo = []
        return encode(
            Segment(
                v=VERSION,
                id=uuid7(),
                ts=int(self._clock() * 1000),
                tenant=TENANT,
                gateway=self._gateway,
                number=number,
                first=self._tree.size,
                root=base64.b64encode(self._tree.root()).decode(),
                previous=f"{self._segment:08d}" if self._segment else None,
            )
        )

    def opened(self, number: int) -> None:
        """See observer.Observer. Raises OSError; then the segment is not opened."""
        fd = os.open(segment_path(self._directory, number), os.O_RDONLY)
        if self._segment:
            self._head(closes=True)
        self._segment, self._fd = number, fd

    def place_anchor(self, directory: Path | None) -> None:
        """Anchor there from now on; nowhere for None."""
        self._issuer.place_anchor(directory)
        self._start()

    async def close(self) -> None:
        """See observer.Observer."""
        self._closing = True
        self._take()
        self._extend(self._todo)
        self._todo = []
        if self._due is not None:
            self._due.cancel()
        if self._fd >= 0 and self._tree.size > self._headed:
            self._head()
        self._hurry.set()
        if self._work is not None and self._work.done():
            await asyncio.sleep(0)  # it has ended without our last head, and `_worked_off` has its turn now
        self._start()
        if self._work is not None:
            await self._work
        for fd in {self._fd, *(head.fd for head in self._heads)} - {-1}:
            os.close(fd)
        self._fd = -1
        if self._heads:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, self.failure or "the audit log is not sealed")

    def _seal(self) -> None:
        """One slice. The rest has its turn after whatever else is waiting."""
        if self._closing:
            return
        if not self._todo:
            self._take()
        some = self._todo[:SLICE_RECORDS]
        while len(some) > 1 and sum(map(len, some)) > SLICE_BYTES:
            del some[len(some) // 2 :]
        self._extend(some)
        del self._todo[: len(some)]
        loop = asyncio.get_running_loop()
        if self._todo:
            self._next_slice = loop.call_soon(self._seal)
        elif self.lines:
            self._next_slice = loop.call_later(self._pace.seal_s, self._seal)
        else:
            self.idle = True
        self._consider()

    def _take(self) -> None:
        self._todo += [line for lines in self.lines for line in lines]
        self.lines = []

    def _extend(self, records: Sequence[bytes]) -> None:
        self._tree.extend(records)
        for record in records:
            if record.startswith(CHANGE) and (key := rotation(record)) is not None:
                self._rotations.append(key)

    def _consider(self) -> None:
        """Is it time for a checkpoint? A new key is shown at once."""
        grown = self._tree.size - self._headed
        many = grown >= self._pace.checkpoint_records and self._late()
        if many or (grown and self._rotations):
            self._head()
        elif grown and self._due is None:
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(self._pace.checkpoint_s, self._head)
        self._start()

    def _late(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._next_head:
            return False
        self._next_head = now + self._pace.least_s
        return True

    def _head(self, *, closes: bool = False) -> None:
        """Of the tree as it is now. Every segment has one when it is closed, grown or not."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        tree = self._tree
        head = Head(
            self._segment, self._fd, tree.size, tree.root(), int(self._clock() * 1000), tree.edge(),
            tree.taken(), self._rotations, closes,
        )  # fmt: skip
        self._rotations = []
        self._headed = tree.size
        self._queue(head)
        if not closes:
            self._start()

    def _queue(self, head: Head) -> None:
        """While the disk fails the heads of one segment become one, so that they do not pile up."""
        if self.failure is not None and self._heads and self._heads[-1].segment == head.segment:
            head.absorb(self._heads.pop())
        self._heads.append(head)

    def _start(self) -> None:
        if self._work is None and (self._heads or self._behind()):
            self._work = asyncio.get_running_loop().create_task(self._work_off())
            self._work.add_done_callback(self._worked_off)

    def _behind(self) -> bool:
        anchor = self._issuer.anchor
        return anchor is not None and not anchor.covers(self._issuer.size)

    async def _work_off(self) -> None:
        """Until all heads are checkpoints and all checkpoints anchored; when closing, as far as it goes."""
        loop = asyncio.get_running_loop()
        while self._heads or self._behind():
            await self._pause(self._next_round - loop.time())
            self._next_round = loop.time() + self._pace.issue_s
            done = await self._issue() if self._heads else await self._follow()
            if not done and self._closing:
                return
            if not done:
                await self._pause(self._pace.retry_s)

    async def _pause(self, seconds: float) -> None:
        """Less when closing."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._hurry.wait()
            except TimeoutError:
                return

    async def _issue(self) -> bool:
        """All heads that there are."""
        heads, self._heads = self._heads, []
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._issuer.issue, heads)
        except (OSError, GatewayError) as error:
            self.failure = self._words(error)
            later, self._heads = self._heads, []
            for head in (*heads, *later):
                self._queue(head)
            return False
        self.failure = None
        for head in heads:
            if head.closes:
                os.close(head.fd)
        return True

    async def _follow(self) -> bool:
        await asyncio.get_running_loop().run_in_executor(None, self._issuer.follow)
        return not self._behind()

    def _worked_off(self, work: asyncio.Task[None]) -> None:
        self._work = None
        error = None if work.cancelled() else work.exception()
        if error is not None:  # a bug: nothing is sealed any more, and that must not be silent
            self.failure = f"the audit log is not sealed: {error}"
            context = {"message": self.failure, "exception": error, "task": work}
            work.get_loop().call_exception_handler(context)
        elif not self._closing:
            self._start()  # a head may have come since it looked for the last time

    def _words(self, error: OSError | GatewayError) -> str:
        if isinstance(error, GatewayError):
            return error.message
        where = error.filename or self._directory
        return f"the audit log cannot be sealed: {where}: {error.strerror or error}"
