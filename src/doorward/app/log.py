"""The audit log with whoever seals it: nobody writes records that become no evidence."""

import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

from doorward.app.state import StatePaths
from doorward.audit.ids import uuid7
from doorward.audit.records import TENANT, VERSION, Lifecycle, encode
from doorward.backends.files.sealer import Sealer
from doorward.backends.files.segments import SegmentLog
from doorward.ports.secrets import RotatingRing


def gateway_name() -> str:
    """What records call this process, among replicas."""
    return socket.gethostname()


class OpenLog(NamedTuple):
    """Closing `records` seals what is left."""

    records: SegmentLog
    sealer: Sealer


def open_log(where: StatePaths, ring: RotatingRing, anchor: Path | None) -> OpenLog:
    """`anchor`: `audit.anchor`.

    Raises GatewayError(AUDIT_UNAVAILABLE, STORE_UNAVAILABLE) for a log that cannot be written, is being
    written by somebody else, or was changed while nobody wrote it.
    """
    sealer = Sealer(where.audit, ring, gateway=gateway_name(), anchor=anchor)
    return OpenLog(SegmentLog(where.audit, observer=sealer), sealer)


def lifecycle(event: str, detail: dict[str, Any]) -> bytes:
    """The record of a command that owns the log; a gateway has its recorder."""
    record = Lifecycle(
        v=VERSION,
        id=uuid7(),
        ts=int(time.time() * 1000),
        tenant=TENANT,
        gateway=gateway_name(),
        event=event,
        detail=detail,
    )
    return encode(record)


async def say_recovered(log: SegmentLog) -> None:
    """Put on record that the writer before did not close the log: what it did not write, nobody hid.

    Raises GatewayError(AUDIT_UNAVAILABLE).
    """
    if log.recovered is not None:
        await log.append(lifecycle("log_recovered", {"detail": str(log.recovered)}))
