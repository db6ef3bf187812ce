"""The audit log with whoever seals it: nobody writes records that become no evidence."""

import socket
from pathlib import Path
from typing import NamedTuple

from doorward.app.state import StatePaths
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
