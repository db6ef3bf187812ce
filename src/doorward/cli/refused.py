"""Exit codes for what a use case refuses."""

from collections.abc import Iterator
from contextlib import contextmanager

from doorward.cli.exit import CommandError, Exit
from doorward.control.errors import Forbidden, Refused


@contextmanager
def refused() -> Iterator[None]:
    """What an operator may not do is AUTH; what cannot be done, or is no value, is USAGE."""
    try:
        yield
    except Forbidden as error:
        raise CommandError(Exit.AUTH, f"doorward: {error.message}", error.hint) from error
    except Refused as error:
        raise CommandError(Exit.USAGE, f"doorward: {error.message}", error.hint) from error
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"doorward: {error}") from error
