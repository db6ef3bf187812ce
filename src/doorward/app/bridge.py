"""`doorward bridge`: a running gateway, behind a URL and a key, as the stdio server that clients start."""

import asyncio
import signal
import sys
from typing import Final

from doorward.app.relay.leg import HttpLeg
from doorward.app.relay.relay import Relay
from doorward.app.runner import run
from doorward.edge.pipes import open_pipes

USAGE: Final = 2
INTERRUPTED: Final = 130


def bridge(
    url: str, key: str | None, ca: str | None = None, cert: str | None = None, cert_key: str | None = None
) -> int:
    """Relays until stdin ends; then ends the session and returns 0 (130 after SIGINT).

    `ca`, `cert` and `cert_key` are PEM files for an https URL (HttpLeg).

    Returns 2 for a URL or key that HTTP cannot carry, and for files that TLS cannot use. Nothing else ends
    it: a client that started us would show no more than "server exited". So a gateway that is down or refuses
    the key is told to it in JSON-RPC errors, request by request, and each new request tries again.
    """
    return run(_bridge(url, key, ca, cert, cert_key))


async def _bridge(url: str, key: str | None, ca: str | None, cert: str | None, cert_key: str | None) -> int:
    try:
        leg = HttpLeg(url, key, ca=ca, cert=cert, cert_key=cert_key)
    except ValueError as error:
        say(str(error))
        return USAGE
    except OSError as error:  # ssl's own message names no file
        say(f"cannot use {', '.join(filter(None, (ca, cert, cert_key)))}: {error}")
        return USAGE
    if leg.exposes_key:
        say("the key travels unencrypted: use an https URL")
    try:
        async with open_pipes(sys.stdin.buffer, sys.stdout.buffer) as (reader, writer):
            return await _until_stopped(Relay(leg, reader, writer, say, has_key=key is not None))
    finally:
        leg.close()


async def _until_stopped(relay: Relay) -> int:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[int] = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, _tell, told, 0)
    loop.add_signal_handler(signal.SIGINT, _tell, told, INTERRUPTED)
    running = loop.create_task(_relay(relay))
    running.add_done_callback(lambda _: _tell(told, 0))
    code = await told
    running.cancel()
    await asyncio.wait({running})
    await relay.close()
    return code


async def _relay(relay: Relay) -> None:
    try:
        await relay.run()
    except OSError as error:
        say(f"standard input failed: {error}")


def _tell(told: asyncio.Future[int], code: int) -> None:
    """The first end counts."""
    if not told.done():
        told.set_result(code)


def say(text: str) -> None:
    """A line for the operator; clients keep the stderr of the servers they start."""
    sys.stderr.write(f"doorward bridge: {text}\n")
    sys.stderr.flush()
