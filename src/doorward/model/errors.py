"""Errors by blame. Raised anywhere, answered only in `pipeline/rescue.py`."""

from typing import Any, ClassVar

from doorward.model.reasons import REASONS, Blame, Reason


class DoorwardError(Exception):
    """Abstract base; raise one of the four families. `message` must be fit for the caller's eyes."""

    blame: ClassVar[Blame]

    def __init__(self, reason: Reason, message: str, *, data: dict[str, Any] | None = None) -> None:
        if REASONS[reason].blame is not self.blame:
            raise ValueError(f"{reason} is not a reason of {type(self).__name__}")
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.data = data


class CallerError(DoorwardError):
    """The caller has to change something: bytes, headers, credential, name."""

    blame = Blame.CALLER


class PolicyError(DoorwardError):
    """Policy could not be loaded or evaluated. A denial is a value (`Deny`), not an error."""

    blame = Blame.POLICY


class UpstreamError(DoorwardError):
    """The server behind us failed; `server` is its configured name."""

    blame = Blame.UPSTREAM

    def __init__(
        self, reason: Reason, server: str, message: str, *, data: dict[str, Any] | None = None
    ) -> None:
        super().__init__(reason, message, data=data)
        self.server = server


class GatewayError(DoorwardError):
    """We failed: audit, store, shutdown, a bug."""

    blame = Blame.OURSELVES
