"""The audit log in segment files (port: AuditLog): `<directory>/NNNNNNNN.jsonl`, one record per line.

Guarantees: what is awaited is done once write(2) took the whole record, so an acknowledged record survives
the death of this process at any moment; a sync to the disk follows within 50 ms, and a durable decision waits
for it. A decision is taken only with room for its outcome behind it. What stands in the files is whole
records and, after a crash, at most one torn tail, which `SegmentLog` cuts off when it opens.
"""

import asyncio
import os
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from doorward.backends.files.checkpoints import changed
from doorward.backends.files.claim import claim
from doorward.backends.files.disk import Disk, OsDisk
from doorward.backends.files.gathering import Gathering
from doorward.backends.files.next_segment import NextSegment, NotKept
from doorward.backends.files.observer import Observer
from doorward.backends.files.open_segment import OpenSegment
from doorward.backends.files.private import make_directory
from doorward.backends.files.recover import Recovery, recover, segments
from doorward.backends.files.segment_lines import segment_files
from doorward.backends.files.syncer import Syncer
from doorward.backends.files.trouble import unavailable
from doorward.backends.files.waiting import Told, wake
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from doorward.ports.audit import OUTCOME_BYTES, Pressure, Role
from doorward.ports.waits import PARK, Waiter

_LF: Final = 10  # a number, because CPython 3.11 looks for bytes in bytes by raising a TypeError first
_DECISION: Final = Role.DECISION
_DURABLE: Final = Role.DURABLE
SEGMENT_BYTES: Final = 64 * 1024 * 1024
SYNC_AFTER: Final = 0.03
"""Seconds from the first unsynced write to its sync; leaves room to keep 50 ms under load."""


class SegmentLog:
    """Single writer, used from one event loop. Opening locks the directory against a second writer."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Raises GatewayError(AUDIT_UNAVAILABLE): no access, another writer, or damage beyond a torn tail."""
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._disk = disk or OsDisk()
        self._observer = observer
        self._loop: asyncio.AbstractEventLoop | None = None
        # One entry each for every record that waits for the end of this turn of the loop.
        self._pending: list[bytes] = []
        self._roles: list[Role] = []
        self._parked: list[Waiter] = []
        self._owed = 0
        """Decisions whose outcome is still to come."""
        self._syncer = Syncer(self._disk)
        self._syncing: asyncio.Future[None] | None = None
        self._due: asyncio.TimerHandle | None = None
        """The sync of what nobody waits for."""
        self._again = False
        """Whether a sync was asked for while one was running."""
        self._gathering = Gathering(lambda: self._pending, self._sync)
        """Of those whose record is written and who wait for the next sync."""
        self._suspect = False
        """Whether the open segment may have lost something."""
        self._unproven = False
        """Whether the disk has lost something, and has kept nothing since."""
        self._changing: asyncio.Future[OSError | None] | None = None
        """The change to the next segment, for which all records wait."""
        self._closed = False
        self.pressure = Pressure.NONE
        """Set by whoever watches the disk."""
        self.failure: str | None = None
        """Why the last write or sync failed; None while all is well."""
        self.recovered: Recovery | None = None
        """What opening had to cut off; None when the log was whole."""
        try:
            make_directory(directory)
            self._guard = claim(directory)
            try:
                self._segment = self._continue()
                self._expect_next()
            except BaseException:
                os.close(self._guard)  # whoever puts right what is wrong may try again in this process
                raise
        except OSError as error:
            raise unavailable(directory, error) from error

    def _continue(self) -> OpenSegment:
        """The newest segment, or the first. Raises OSError, GatewayError."""
        found = segments(self._directory)
        last = found[-1] if found else 0
        newest = max((each.number for each in segment_files(self._directory)), default=0)
        if newest != last:  # none is compressed or pruned before there is another one behind it
            raise changed(f"{self._directory} has no segment behind {newest:08d}, which was closed")
        for number in found[-2:-1]:  # a crash may have kept it from being cut to its records
            recover(self._directory, number)
        if last:
            self.recovered = recover(self._directory, last)
        if self._observer is not None:
            self._observer.resume()
        segment = OpenSegment(self._directory, last or 1, self._disk, new=not last)
        if not segment.size:  # new, or whoever made it died before it wrote anything
            try:
                self._begin(segment)
            except BaseException:
                segment.close()
                raise
        return segment

    def append(
        self, record: bytes, waiter: Waiter | None = None, role: Role = Role.OTHER, changing: bool = False
    ) -> Awaitable[None]:
        """See ports/audit.py. No coroutine of its own: every call waits here twice."""
        if self._closed:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, "the audit log is closed")
        if _LF in record:
            raise ValueError("a record is one line")
        if role >= _DECISION:
            if self.pressure:
                role = self._pressed(changing)
            self._owed += 1
        elif role:
            self._owed -= 1
        pending = self._pending
        if not pending:
            if self._loop is None:  # kept: CPython 3.11 asks the kernel for the process id to find it
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._flush)
        pending.append(record)
        self._roles.append(role)
        if waiter is not None:
            self._parked.append(waiter)
            return PARK
        assert self._loop is not None
        written = self._loop.create_future()
        self._parked.append(Told(written))
        return written

    def forsake(self) -> None:
        """See ports/audit.py."""
        self._owed -= 1

    def _pressed(self, changing: bool) -> Role:
        """What a decision has to be while the disk is nearly full. Raises GatewayError(AUDIT_DISK_LOW)."""
        if self.pressure is Pressure.NOTHING or (changing and self.pressure is Pressure.NO_WRITES):
            text = f"{self._directory} has no room for evidence of more calls"
            raise GatewayError(Reason.AUDIT_DISK_LOW, text)
        return _DURABLE

    async def turn_over(self) -> None:
        """Go on in a new segment, so that the one until now is closed.

        Raises GatewayError(AUDIT_UNAVAILABLE).
        """
        if self._closed:
            return
        changing = self._changing or self._change()
        await asyncio.wait([changing])  # whoever is cancelled here cancels nothing
        failure = changing.result()
        if failure is not None:
            raise unavailable(self._directory, failure) from failure

    async def close(self) -> None:
        """Write what is pending, sync, close. Safe to call twice. Raises GatewayError(AUDIT_UNAVAILABLE)."""
        if self._closed:
            return
        self._flush(within=True)
        while self._syncing is not None or self._changing is not None or self._gathering.waiting:
            if self._syncing is None and self._changing is None:
                self._sync()  # nobody else will come to share it
            if waiting := [each for each in (self._syncing, self._changing) if each is not None]:
                await asyncio.wait(waiting)
            self._flush(within=True)
        self._closed = True
        self._syncer.close()
        with suppress(OSError):  # it was hidden, and whoever writes here next makes it anew
            self._next.drop()
        try:
            self._segment.finish()
        except OSError as error:
            raise unavailable(self._directory, error) from error
        finally:
            self._segment.close()
            try:
                if self._observer is not None:
                    await self._observer.close()
            finally:
                os.close(self._guard)  # last: nobody else may write while ours are not done

    def _flush(self, *, within: bool = False, here: bool = False) -> None:
        """One write for everything that this turn of the event loop appended. `within`: a task's own step.
        `here`: into the open segment, however full."""
        pending, roles, parked = self._pending, self._roles, self._parked
        if not pending or self._changing is not None:
            return
        data = b"\n".join(pending) + b"\n"
        if self._segment.size + len(data) > self._heed and not here and self._is_full(len(data)):
            self._change()
            return
        self._pending, self._roles, self._parked = [], [], []
        failure = None
        try:
            self._write(data, self._owed * OUTCOME_BYTES)
        except OSError as error:
            failure = error
            pending, roles, parked = self._salvage(pending, roles, parked, error)
        self.failure = None if failure is None else unavailable(self._directory, failure).message
        if not pending:
            return
        observer = self._observer
        if observer is not None:
            observer.lines.append(pending)
            if observer.idle:
                observer.wake()
        if _DURABLE in roles:
            parked = self._hold_back(roles, parked)
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(SYNC_AFTER, self._sync)
        if within:
            asyncio.get_running_loop().call_soon(wake, parked)
        else:
            wake(parked)

    def _write(self, data: bytes, promised: int) -> None:
        """All of it or none. Raises OSError."""
        if self._suspect:
            self._go_on_in(self._next.follow(None))  # at once: of this one nothing is believed any more
        self._segment.write(data, promised)
        if self._unproven:
            self._segment.believe(data)
            self._unproven = False

    def _salvage(
        self, pending: list[bytes], roles: list[Role], parked: list[Waiter], error: OSError
    ) -> tuple[list[bytes], list[Role], list[Waiter]]:
        """A write failed. Outcomes have room of their own, so they are tried once more by themselves; all
        else is refused, and so are they if that fails too. What was written after all."""
        rows = list(zip(pending, roles, parked, strict=True))
        outcomes = [row for row in rows if row[1] is Role.OUTCOME]
        if outcomes and not self._suspect:
            try:
                self._segment.write_promised(b"\n".join(row[0] for row in outcomes) + b"\n")
            except OSError:
                outcomes = []
        else:
            outcomes = []
        kept = {id(row[2]) for row in outcomes}
        for _, role, waiter in rows:
            if id(waiter) not in kept:
                self._owed += role is Role.OUTCOME  # it is still to come
                self._refuse(waiter, role, error)
        return [row[0] for row in outcomes], [row[1] for row in outcomes], [row[2] for row in outcomes]

    def _hold_back(self, roles: list[Role], parked: list[Waiter]) -> list[Waiter]:
        """Those who need not wait for the disk; the others wait from now on."""
        going_on: list[Waiter] = []
        for role, waiter in zip(roles, parked, strict=True):
            (self._gathering.waiting if role is _DURABLE else going_on).append(waiter)
        if self._syncing is None:
            self._gathering.begin()
        return going_on

    def _sync(self) -> None:
        """Make durable what is written, unless that is being done: then once more after it."""
        if self._syncing is not None or self._changing is not None or self._closed:
            self._again = True
            return
        # From here on a new write starts a new sync: this one may come too early for it.
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._again = False
        waiting = self._gathering.take()
        self._syncing = asyncio.get_running_loop().create_future()
        try:
            self._syncer.sync(self._segment.fd, partial(self._synced, waiting, self._segment))
        except OSError as error:
            self._synced(waiting, self._segment, error)
            return
        ahead = self._segment.look_ahead() if waiting else None
        if ahead is not None:
            self._syncer.afterwards(ahead.work)

    def _synced(self, waiting: list[Waiter], segment: OpenSegment, failure: OSError | None) -> None:
        syncing, self._syncing = self._syncing, None
        if syncing is not None and not syncing.done():
            syncing.set_result(None)
        if failure is not None:
            # The kernel reports a lost page once and then forgets it, so this segment is not trusted again,
            # nor is a later sync for those who wrote into it while this one ran.
            self._unproven = True
            if segment is self._segment:
                self._suspect = True
                waiting += self._gathering.take()
            self.failure = unavailable(self._directory, failure).message
        self._sync_again()
        if failure is None:
            wake(waiting)
            return
        for waiter in waiting:
            self._refuse(waiter, _DURABLE, failure)

    def _sync_again(self) -> None:
        """Somebody may have asked for it while it could not begin."""
        if self._gathering.waiting:
            self._gathering.begin()
        elif self._again:
            self._sync()

    def _refuse(self, waiter: Waiter, role: Role, error: OSError) -> None:
        """In a turn of its own: it may append again."""
        asyncio.get_running_loop().call_soon(self._fail, waiter, role, unavailable(self._directory, error))

    def _fail(self, waiter: Waiter, role: Role, failure: GatewayError) -> None:
        """A decision that its call is told of promises nothing. A call that was cancelled meanwhile hears of
        nothing: the outcome of its decision is on its way, its outcome is not tried once more."""
        told = not (isinstance(waiter, Told) and waiter.written.done())
        self._owed -= (role >= _DECISION) if told else (role is Role.OUTCOME)
        waiter.fail(failure)

    def _is_full(self, more: int) -> bool:
        """Whether `more` bytes belong into the next segment, which is made ready a little before."""
        if self._suspect or not self._segment.size:  # a record for which an empty one is too small
            return False
        if self._segment.size + more > self._full:
            return True
        self._heed = self._full
        preparing = asyncio.get_running_loop().run_in_executor(None, self._next.prepare)
        preparing.add_done_callback(asyncio.Future.exception)  # it is told when it is tried again
        return False

    def _change(self) -> asyncio.Future[OSError | None]:
        """Go on in the next segment, once the disk has all of this one; until then records wait in memory."""
        self._changing = asyncio.get_running_loop().create_future()
        if self._observer is not None:
            self._observer.catch_up()
        if self._syncing is None:
            self._follow()
        else:  # of two syncs at once only one would be told what is lost
            self._syncing.add_done_callback(self._follow)
        return self._changing

    def _follow(self, _: object = None) -> None:
        old = None if self._suspect else self._segment
        promised = self._owed * OUTCOME_BYTES
        following = asyncio.get_running_loop().run_in_executor(None, self._next.follow, old, promised)
        following.add_done_callback(self._changed)

    def _changed(self, following: asyncio.Future[OpenSegment]) -> None:
        changing, self._changing, failure = self._changing, None, None
        # If it fails this one grows, because room for outcomes was promised in it; it is tried again later.
        self._heed = self._full = self._segment.size + self._segment_bytes // 64
        try:
            self._go_on_in(following.result())
        except OSError as error:
            failure = error
            with suppress(OSError):  # then the next decision is refused
                self._segment.reserve(self._owed * OUTCOME_BYTES)
            if isinstance(error, NotKept):
                self._mistrust(error)
        finally:
            if changing is not None:
                changing.set_result(failure)
            self._flush(here=True)
            self._sync_again()

    def _mistrust(self, error: OSError) -> None:
        """What stands in the open segment is not believed any more, nor told to those who wait for it."""
        self._suspect = self._unproven = True
        self.failure = unavailable(self._directory, error).message
        for waiter in self._gathering.take():
            self._refuse(waiter, _DURABLE, error)

    def _go_on_in(self, new: OpenSegment) -> None:
        """Raises OSError; then `new` does not exist."""
        old = self._segment
        try:
            self._begin(new)
        except OSError:
            new.abandon()
            raise
        self._segment = new
        self._suspect = False
        self._expect_next()
        with suppress(OSError):  # only room that nobody needs any more; `recover` would give it back too
            old.give_back()
            self._syncer.sync(old.fd, lambda _: None)  # its records were durable before
        self._syncer.let_go(old.fd)
        observer = self._observer
        if observer is not None and observer.idle:
            observer.wake()

    def _expect_next(self) -> None:
        """Behind the segment that was just opened."""
        self._next = NextSegment(self._directory, self._segment.number + 1, self._disk)
        self._full = self._segment_bytes
        self._heed = self._full - self._full // 8
        """Size of the segment at which something is to be done."""

    def _begin(self, segment: OpenSegment) -> None:
        """Write the first record of a segment that was just opened. Raises OSError."""
        observer = self._observer
        if observer is None:
            return
        first = observer.first_record(segment.number)
        segment.write(first + b"\n", self._owed * OUTCOME_BYTES)
        observer.opened(segment.number)
        observer.lines.append([first])
