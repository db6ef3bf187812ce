"""What commands need to reach the admin plane of a gateway, and to understand it."""

from pathlib import Path

from doorward.api import errors
from doorward.backends.files.lock import holder


def admin_address(root: Path) -> str | None:
    """Where the gateway that holds a state directory listens for operators; None where none does.

    Raises GatewayError(STORE_UNAVAILABLE).
    """
    found = holder(root / "lock")
    return None if found is None or not found.admin else found.admin


def raised(told: object) -> Exception:
    """What came as `error` in an answer, as the exception that it was made of."""
    return errors.read(told)
