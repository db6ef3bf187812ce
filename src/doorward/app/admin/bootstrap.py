"""The first operator, and the file from which commands on this machine take a token.

Whoever can read the state directory can do everything with it, so the token that lies there gives nothing
away. What it adds is a name on every change, and the same rights whether a gateway runs or not.
"""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from doorward.audit.records import Actor
from doorward.backends.files.private import locked_directory, make_directory, replace_file, require_private
from doorward.control import operators
from doorward.control.operators import CreatedOperator
from doorward.identity.operators import ID_PREFIX, PREFIX
from doorward.model.errors import CallerError, GatewayError
from doorward.model.reasons import Reason
from doorward.ports.secrets import SecretRing
from doorward.ports.store import Store

TOKEN_FILE: Final = "operator.token"  # noqa: S105 - its name
_LONGEST: Final = 256


def ensure_owner(
    root: Path, store: Store, ring: SecretRing, *, actor: Actor, now: float, say: Callable[[str], None]
) -> str | None:
    """Make the first operator where there has never been one, and say its token, this once. None where there
    has been one.

    Raises GatewayError(STORE_UNAVAILABLE).
    """
    try:
        make_directory(root)
        ring.current("pepper")  # made on first use, under the very lock that is taken next
        with locked_directory(root):
            if not operators.first_owner(store):
                return None
            made = operators.bootstrap(store, ring, actor=actor, now=now)
            where = keep(root, made.text)  # whoever has waited for the lock looks for it next
    except OSError as error:
        raise _unavailable(f"{root} cannot be used: {error.strerror}") from error
    say(f"doorward: made the first operator, {made.record.name}, who may do everything. Its token:")
    say(f"  {made.text}")
    say(f"It is shown this once. {where}")
    return made.text


def recover(root: Path, store: Store, ring: SecretRing, *, actor: Actor, now: float) -> CreatedOperator:
    """One more owner, for whoever has lost all tokens and still has the state directory: they could write
    into the store as well. Raises GatewayError(STORE_UNAVAILABLE)."""
    taken = {record.name for record in store.operators()}
    name = next(name for number in count(1) if (name := _numbered(number)) not in taken)
    made = operators.bootstrap(store, ring, actor=actor, now=now, name=name)
    keep(root, made.text)
    return made


def _numbered(number: int) -> str:
    return operators.FIRST if number == 1 else f"{operators.FIRST}-{number}"


def renew(root: Path, operator_id: str, token: str) -> bool:
    """Whether an operator's new token is kept now in the place of its old one: where that is the one that was
    kept, in a file that counts. Nothing about the file may keep the new token from who has asked for it."""
    try:
        old = kept(root / TOKEN_FILE)
    except CallerError:
        return False
    if old is None or not old.startswith(f"{PREFIX}{operator_id.removeprefix(ID_PREFIX)}_"):
        return False
    keep(root, token)
    return True


def keep(root: Path, token: str) -> str:
    """Put a token where commands on this machine look for one; what became of that, in words."""
    path = root / TOKEN_FILE
    try:
        replace_file(path, f"{token}\n".encode())
    except OSError as error:
        return f"It could not be kept in {path} ({error.strerror}): keep it yourself."
    return f"Commands on this machine take it from {path}."


def kept(path: Path) -> str | None:
    """The token in a file; None where there is no such file. Raises CallerError(CREDENTIAL_INVALID) for one
    that others can read or that holds something else."""
    try:
        with path.open("rb") as file:
            require_private(path, os.fstat(file.fileno()))
            text = file.read(_LONGEST + 1).decode("ascii").strip()
    except FileNotFoundError:
        return None
    except GatewayError as error:
        raise _no_token(error.message) from error
    except OSError as error:
        raise _no_token(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > _LONGEST or not text.isprintable() or " " in text:
        raise _no_token(f"{path} holds no operator's token")
    return text


def _no_token(message: str) -> CallerError:
    return CallerError(Reason.CREDENTIAL_INVALID, message)


def _unavailable(message: str) -> GatewayError:
    return GatewayError(Reason.STORE_UNAVAILABLE, message)
