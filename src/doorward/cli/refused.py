"""Exit codes for what a use case refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from doorward.cli.exit import CommandError, Exit
from doorward.control.errors import Forbidden, Refused, Unavailable
from doorward.model.errors import CallerError

_PRESENT: Final = "present a token: --admin-token-file FILE, or DOORWARD_ADMIN_TOKEN"


@contextmanager
def refused() -> Iterator[None]:
    """What an operator may not do is AUTH; what cannot be done, or is no value, is USAGE."""
    try:
        yield
    except Forbidden as error:
        raise CommandError(Exit.AUTH, f"doorward: {error.message}", error.hint) from error
    except Unavailable as error:
        raise CommandError(Exit.UNREACHABLE, f"doorward: {error.message}", error.hint) from error
    except Refused as error:
        raise CommandError(Exit.USAGE, f"doorward: {error.message}", error.hint) from error
    except CallerError as error:
        # Of an operator's token: what agents are advised does not help here.
        data = {"reason": error.reason.value}
        raise CommandError(Exit.AUTH, f"doorward: {error.message}", _PRESENT, data=data) from error
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"doorward: {error}") from error
