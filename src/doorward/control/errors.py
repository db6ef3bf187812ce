"""Why a use case refuses an operator. Bad values are ValueError, as everywhere."""


class Refused(Exception):
    """Abstract base. `message` says what is wrong, `hint` what can be done; both are fit for the operator."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Forbidden(Refused):
    """Somebody may do this, this operator may not."""


class Unknown(Refused, LookupError):
    """There is no such thing."""


class Conflict(Refused):
    """It cannot be done to the thing as it is now."""


class Unavailable(Refused):
    """Only a running gateway knows or does it, and none runs, or none answers."""
