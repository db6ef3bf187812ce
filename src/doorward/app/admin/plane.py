"""The admin plane as the gateway sees it: a socket that is listened on, and a process while there is use for
one.

The process is started when somebody connects, and again, after a growing pause, when somebody connects after
it has died: a gateway that nobody administers pays for none. Connections wait in the kernel meanwhile.
Nothing that happens to it touches a call.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from doorward.app.admin import messages, place
from doorward.app.admin.channel import Channel, Verb
from doorward.app.admin.child import Child
from doorward.upstream.warden import Warden

Say = Callable[[str], None]
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
LASTING_S: Final = 10.0
"""One that lived as long was well: the next one is not made to wait for its sake."""


class AdminPlane:
    """Begins with `attend`, ends with `close`; both in the event loop."""

    def __init__(
        self,
        listening: socket.socket,
        hello: messages.Hello,
        verbs: Mapping[str, Verb],
        say: Say,
        warden: Warden,
    ) -> None:
        """`say` takes lines for the operator."""
        self._listening = listening
        self._hello = hello
        self._verbs = verbs
        self._say = say
        self._warden = warden
        self._child: Child | None = None
        self._serving: asyncio.Task[None] | None = None
        self._closing = False
        self._pause_s = 0.0

    @property
    def address(self) -> str:
        """`host:port` or `unix:path`."""
        return self._hello.address

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return None if self._child is None else self._child.pid

    def attend(self) -> None:
        """Start a process as soon as somebody connects."""
        asyncio.get_running_loop().add_reader(self._listening.fileno(), self._wanted)

    async def close(self) -> None:
        """Listen no more, and end the process: it finishes what it has begun, within seconds."""
        self._closing = True
        if self._serving is None:
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
        else:
            if self._child is not None:
                await self._child.stop()
            self._serving.cancel()
            await asyncio.wait([self._serving])
        place.remove(self._listening)

    def _wanted(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening.fileno())
        self._serving = loop.create_task(self._serve())
        self._serving.add_done_callback(_ended)

    async def _serve(self) -> None:
        """One process from its start to its end, and the pause after one that died or ended at once."""
        began = time.monotonic()
        why = await self._run()
        if self._closing:
            return
        lasted = time.monotonic() - began >= LASTING_S
        if why is None and lasted:
            self._serving = None
            self.attend()
            return
        self._pause_s = FIRST_PAUSE_S if lasted else min(2 * self._pause_s or FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._say(
            f"doorward: the admin plane {why or 'ended at once'}; it can start again in {self._pause_s:g} s"
        )
        await asyncio.sleep(self._pause_s)
        self._serving = None
        self.attend()

    async def _run(self) -> str | None:
        """What became of it; None when it ended because nobody needed it any more."""
        await self._warden.ready()
        ours, far = socket.socketpair()
        try:
            self._child = child = Child(self._listening, far, self._warden.prefix())
        except OSError as error:
            ours.close()
            return f"could not be started ({error.strerror})"
        finally:
            far.close()
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=messages.MAX_QUESTION)
            await Channel(reader, writer, self._verbs).serve(self._hello)
        finally:
            self._child = None
            status = await child.ended()
        return f"ended (exit status {status})" if status else None


def _ended(serving: asyncio.Task[None]) -> None:
    """A bug here must not end in silence: from then on nobody can administer."""
    error = None if serving.cancelled() else serving.exception()
    if error is not None:
        context = {"message": "the admin plane cannot be served any more", "exception": error}
        serving.get_loop().call_exception_handler(context)
