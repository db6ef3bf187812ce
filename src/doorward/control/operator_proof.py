"""Token in, operator out."""

from collections.abc import Iterable
from typing import Final

from doorward.control.roles import Operator, Role
from doorward.identity import keys, operators
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.ports.secrets import SecretRing, VersionEnded
from doorward.ports.store import OperatorRecord

_UNKNOWN: Final = "the token is not known here"
"""One text for an unknown id and for a wrong secret, so that ids cannot be probed."""


def prove(
    records: Iterable[OperatorRecord], ring: SecretRing, text: str, *, via: str, now: float
) -> Operator:
    """Whose token `text` is. `via`: "api" or "cli"; `now`: seconds since 1970.

    Raises CallerError: CREDENTIAL_INVALID, CREDENTIAL_REVOKED or CREDENTIAL_EXPIRED;
    GatewayError(STORE_UNAVAILABLE) when the ring lacks the pepper.
    """
    try:
        token = operators.parse(text)
    except ValueError as error:
        raise CallerError(Reason.CREDENTIAL_INVALID, str(error)) from None
    record = next((record for record in records if record.id == token.id), None)
    if record is None:
        raise CallerError(Reason.CREDENTIAL_INVALID, _UNKNOWN)
    try:
        pepper = ring.version("pepper", record.pepper_version)
    except VersionEnded:
        message = "the pepper of this operator's token was ended: doorward operators recover makes an owner"
        raise CallerError(Reason.CREDENTIAL_INVALID, message) from None
    if not keys.matches(record.digest, pepper, token.secret):
        raise CallerError(Reason.CREDENTIAL_INVALID, _UNKNOWN)
    # Only whoever holds the whole token learns what became of it.
    if record.removed_at is not None:
        raise CallerError(Reason.CREDENTIAL_REVOKED, "this operator was removed")
    if record.expires_at is not None and record.expires_at <= now:
        raise CallerError(Reason.CREDENTIAL_EXPIRED, "this operator's time is over")
    try:
        role = Role(record.role)
    except ValueError:
        message = "this operator's role is none that this version of Doorward knows"
        raise CallerError(Reason.CREDENTIAL_INVALID, message) from None
    return _operator(record, role, via)


def _operator(record: OperatorRecord, role: Role, via: str) -> Operator:
    return Operator(
        record.id,
        record.name,
        role,
        via,
        agents=record.agents,
        servers=record.servers,
        expires_at=record.expires_at,
    )
