"""The gateway's end of the channel: answers what the admin process asks, and lets nothing of it hurt calls.

What is asked is bounded in size and number; whoever breaks that, or does not read its answers, has lost its
channel. Answers are made in the event loop of the gateway, so verbs have to be quick and their answers small.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from doorward.app.admin import messages
from doorward.app.admin.messages import Answer, Fault, Question
from doorward.model.errors import DoorwardError
from doorward.model.reasons import Reason

Verb = Callable[[msgspec.Raw], Any | Awaitable[Any]]
"""Gets what the question gave. Raises DoorwardError, msgspec.MsgspecError."""
MOST_AT_ONCE: Final = 64
UNREAD: Final = 2 * messages.MAX_ANSWER
"""Bytes of answers that may wait for a peer that does not read."""


class Channel:
    """Of one admin process."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, verbs: Mapping[str, Verb]
    ) -> None:
        """`reader`: made with a limit of `messages.MAX_QUESTION`."""
        self._reader = reader
        self._writer = writer
        self._verbs = verbs
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self, hello: messages.Hello) -> None:
        """Until the peer is gone or has broken the rules; then the channel is closed."""
        try:
            self._writer.write(messages.line(hello))
            while text := await self._reader.readline():
                await self._take(messages.question(text))
        except (ValueError, OSError):  # a line too long or no question; a peer that is gone
            return
        finally:
            for task in self._running:
                task.cancel()
            self._writer.close()

    async def _take(self, asked: Question) -> None:
        while len(self._running) >= MOST_AT_ONCE:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.get_running_loop().create_task(self._reply(asked))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _reply(self, asked: Question) -> None:
        said = await self._answer(asked)
        line = messages.line(said)
        if len(line) > messages.MAX_ANSWER:
            line = messages.line(Answer(asked.id, fault=_fault(f"the answer to {asked.verb} is too large")))
        self._writer.write(line)
        if self._writer.transport.get_write_buffer_size() > UNREAD:
            self._writer.transport.abort()

    async def _answer(self, asked: Question) -> Answer:
        verb = self._verbs.get(asked.verb)
        if verb is None:
            return Answer(asked.id, fault=_fault(f"there is no verb {asked.verb[:32]!r}"))
        try:
            said = verb(asked.given)
            if inspect.isawaitable(said):
                said = await said
            return Answer(asked.id, messages.raw(said))
        except DoorwardError as error:
            return Answer(asked.id, fault=messages.fault(error))
        except msgspec.MsgspecError as error:
            return Answer(asked.id, fault=_fault(f"{asked.verb}: {error}"))
        except Exception as bug:  # noqa: BLE001 - a boundary: a bug in a question is no end of the channel
            context = {"message": f"the admin plane's question {asked.verb} met a bug", "exception": bug}
            asyncio.get_running_loop().call_exception_handler(context)
            return Answer(asked.id, fault=_fault(f"{asked.verb} met a bug"))


def _fault(message: str) -> Fault:
    return Fault(Reason.INTERNAL_ERROR.value, message)
