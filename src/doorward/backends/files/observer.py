"""Who makes evidence of what the log has written: the seam between `segments.py` and `sealer.py`."""

from typing import Protocol


class Observer(Protocol):
    """Who makes evidence of what the log has written (`sealer.py`). Calls wait for none of it."""

    lines: list[list[bytes]]
    """The log adds the records of each write that succeeded, in order."""
    idle: bool
    """Whether `wake` has to be called after adding: an attribute, because nearly always it has not."""

    def wake(self) -> None:
        """There are new `lines`. Called in the event loop."""
        ...

    def catch_up(self) -> None:
        """`first_record` is going to be asked for, and should not have much to do by then."""
        ...

    def resume(self) -> None:
        """Go on from the files, which are whole by now. Raises GatewayError(AUDIT_UNAVAILABLE)."""
        ...

    def first_record(self, number: int) -> bytes:
        """What segment `number` has to begin with, if it follows on all `lines` so far."""
        ...

    def opened(self, number: int) -> None:
        """Segment `number` holds its first record, which comes in `lines` next; the one before is closed."""
        ...

    async def close(self) -> None:
        """All is written. Raises GatewayError(AUDIT_UNAVAILABLE)."""
        ...
