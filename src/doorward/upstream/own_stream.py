"""The stream that belongs to a legacy session and to none of its calls (MCP 2025-11-25, transports,
"Listening for Messages from the Server").

A server may say there what it asks about a call, and one without an event store forgets what it says while
nobody listens. So calls about which it may ask are sent when it listens, or after a bounded wait.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from doorward.model.errors import UpstreamError
from doorward.upstream.events import EventReader
from doorward.upstream.http import HttpLeg, SessionGone

PATIENT_S: Final = 5.0
"""How long a call waits for a server's answer to GET."""
IMPATIENT_S: Final = 1.0
"""The same where little is to be expected: nobody may be asked, or the server took longer the last time. Some
send their head with the first event only."""
FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 30.0
SETTLED_S: Final = 30.0
"""After a stream that lasted so long the next one is asked for as soon as after the first."""
BRIEF_S: Final = 1.0
MOST_BRIEF: Final = 3
"""Streams in a row that ended at once, or were not had, before calls stop waiting for the next one."""


class Manners:
    """What is known of the streams of one server."""

    prompt = True
    """Whether it answers GET at once, as far as we know."""


class OwnStream:
    """Of one session. Opened by `open`, and again whenever it has ended, until `close`."""

    def __init__(
        self,
        leg: HttpLeg,
        head: Callable[[], bytes],
        heard: Callable[[bytes], None],
        gone: Callable[[], None],
        *,
        missed: Callable[[], None],
        manners: Manners,
    ) -> None:
        """`head`: of the GET, without its empty line. `heard` is given each event's data; `gone` is told that
        the server does not know the session any more, `missed` that a stream has begun, and that the server
        may have said something to nobody before."""
        self._leg = leg
        self._head = head
        self._heard = heard
        self._gone = gone
        self._missed = missed
        self._manners = manners
        self._loop = asyncio.get_running_loop()
        self._stream: EventReader | None = None
        self._closed = False
        self._answered = asyncio.Event()
        """Unset while there is something to wait for: a stream was not asked for yet, or not again."""
        self._wanted = asyncio.Event()
        """Set by a call that waits."""
        self._brief = 0
        self._deaf = False
        """Whether somebody has counted on a stream that was not there."""

    @property
    def certain(self) -> bool:
        """Whether nothing is gained by waiting."""
        return self._answered.is_set()

    async def ready(self, due: float, *, patient: bool) -> None:
        """Returns once the server listens or has said that it will not, or after a while, or when `due`."""
        self._wanted.set()
        within = PATIENT_S if patient and self._manners.prompt else IMPATIENT_S
        until = min(self._loop.time() + within, due)
        try:
            async with asyncio.timeout_at(until):
                await self._answered.wait()
        except TimeoutError:
            self._manners.prompt = False
            self._deaf = True
            self._answered.set()  # whoever comes next need not find out again

    def close(self) -> None:
        self._closed = True
        self._answered.set()
        self._wanted.set()
        if self._stream is not None:
            self._stream.close()  # not every server ends it with the session

    async def run(self) -> None:
        """Until the session has ended, or the server says that it offers no such stream."""
        wait, resume = FIRST_WAIT_S, b""
        while not self._closed:
            began, stream = self._loop.time(), None
            try:
                stream = await self._begin(resume)
                if stream is None:
                    return
                await self._hear(stream)
            except SessionGone:
                self._gone()
                return
            except UpstreamError:
                pass  # a stream may break off at any time; it is opened again below
            finally:
                self._answered.set()
            lasted, retry_s = self._loop.time() - began, None
            if stream is not None:
                resume, retry_s = stream.resume_field or resume, stream.retry_s
            self._deaf = self._deaf or not resume  # else the server says again what follows its last event
            self._brief = 0 if stream is not None and lasted > BRIEF_S else self._brief + 1
            wait = FIRST_WAIT_S if lasted > SETTLED_S else wait
            await self._pause(wait, retry_s or 0.0)
            wait = min(wait * 2, LONGEST_WAIT_S)

    async def _begin(self, resume: bytes) -> EventReader | None:
        stream = await self._leg.listen(self._head() + resume)
        self._manners.prompt = True
        if self._closed and stream is not None:
            stream.close()
            return None
        return stream

    async def _hear(self, stream: EventReader) -> None:
        self._stream = stream
        self._answered.set()
        deaf, self._deaf = self._deaf, False
        try:
            if deaf:
                self._missed()
            while not self._closed and (data := await stream.next()) is not None:
                self._heard(data)
        finally:
            self._stream = None
            stream.close()

    async def _pause(self, wait: float, retry_s: float) -> None:
        """Before the next stream. A call that comes cuts it short, but not what the server asked for
        (`retry`)."""
        if self._closed:
            return
        self._wanted.clear()
        if self._brief < MOST_BRIEF:
            self._answered.clear()
        await asyncio.sleep(retry_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait - retry_s):
                await self._wanted.wait()
