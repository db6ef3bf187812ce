"""Goes on reading an answer whose stream ended too early: a GET names the last event that was read.

Source: MCP 2025-11-25, transports, "Resumability and Redelivery"; a server may end a stream on purpose and
have its client come back (SEP-1699). Nothing is sent again: what is asked for is the rest of an answer.
"""

import asyncio
from typing import Final

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.events import USUAL_RETRY_S, EventReader
from doorward.upstream.failure import failure
from doorward.upstream.http import HttpLeg, SessionGone, Talk
from doorward.upstream.live import Answer, Live
from doorward.upstream.timeouts import limit

MOST_IN_VAIN: Final = 5
"""Streams in a row that brought no new event, and attempts at one, before the answer is given up."""


async def rest(leg: HttpLeg, head: bytes, broken: EventReader, live: Live, talk: Talk) -> Answer:
    """The answer, from the streams that continue `broken`. `head` is that of a GET, without its empty line.

    Raises UpstreamError: UPSTREAM_CONNECTION_LOST when the answer cannot be had any more, UPSTREAM_TIMEOUT at
    the deadline of `live`.
    """
    loop = asyncio.get_running_loop()
    field, retry_s, in_vain = broken.resume_field, broken.retry_s, 0
    while field and in_vain < MOST_IN_VAIN:
        await asyncio.sleep(min(retry_s or USUAL_RETRY_S, max(live.deadline - loop.time(), 0.0)))
        if loop.time() >= live.deadline:
            raise failure(Reason.UPSTREAM_TIMEOUT, live.server, f"did not answer within {limit(live.within)}")
        in_vain += 1
        stream = await _next_stream(leg, head + field, live)
        if stream is None:
            continue
        try:
            return await leg.answer_in(stream, live, talk)
        except UpstreamError as error:
            if error.reason is not Reason.UPSTREAM_CONNECTION_LOST:
                raise
        finally:
            leg.hang_up(stream)
        retry_s = stream.retry_s or retry_s
        if stream.resume_field and stream.resume_field != field:
            field, in_vain = stream.resume_field, 0
    raise failure(Reason.UPSTREAM_CONNECTION_LOST, live.server, "ended its stream without an answer")


async def _next_stream(leg: HttpLeg, head: bytes, live: Live) -> EventReader | None:
    """None when it may be tried again. Raises UpstreamError when it is of no use."""
    try:
        stream = await leg.listen(head, live.deadline)
    except SessionGone:
        stream = None
    except UpstreamError as error:
        if error.reason in (Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_CONNECTION_LOST):
            return None
        if error.reason is Reason.UPSTREAM_TIMEOUT:
            raise
        stream = None
    if stream is None:
        text = "ended its stream without an answer and does not continue it"
        raise failure(Reason.UPSTREAM_CONNECTION_LOST, live.server, text)
    return stream
