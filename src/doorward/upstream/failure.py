"""Failures of a server, with its name in the message that the caller gets."""

import asyncio
from typing import TypeVar

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason

T = TypeVar("T")


def failure(reason: Reason, server: str, text: str) -> UpstreamError:
    """`text` continues the sentence "server NAME ..."."""
    return UpstreamError(reason, server, f"server {server} {text}")


def told(error: UpstreamError) -> str:
    """The words that `failure` was given."""
    return error.message.removeprefix(f"server {error.server} ")


async def shared(task: asyncio.Task[T], server: str) -> T:
    """The result of work that several callers wait for; a caller that gives up stops it for nobody else.

    Raises UpstreamError when the work was given up because the server is being closed: no caller has
    cancelled anything then, and none may be told so.
    """
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        me = asyncio.current_task()
        if task.cancelled() and me is not None and not me.cancelling():
            raise failure(Reason.UPSTREAM_UNREACHABLE, server, "is being closed") from None
        raise


def again(error: UpstreamError, reason: Reason) -> UpstreamError:
    """The same failure for another request: an exception that several tasks raise would grow with each."""
    copy = UpstreamError(reason, error.server, error.message, data=error.data)
    for note in getattr(error, "__notes__", ()):
        copy.add_note(note)
    return copy
