"""Who is asking: credential in, principal out."""

from typing import Protocol

from doorward.model.call import Credential
from doorward.model.principal import Principal
from doorward.model.reasons import Reason


class Identity(Protocol):
    """Answers from memory where it can, and says where it cannot.

    Both verbs raise CallerError: CREDENTIAL_MISSING, CREDENTIAL_INVALID, CREDENTIAL_EXPIRED,
    CREDENTIAL_REVOKED, AGENT_UNMATCHED, ACTOR_UNKNOWN, NETWORK_FORBIDDEN, KEY_SUSPENDED, BLOCKED or
    PROXIED_WITHOUT_CREDENTIAL; GatewayError(STORE_UNAVAILABLE) when what the store said is too old to trust,
    and GatewayError(IDENTITY_UNAVAILABLE) when an issuer's keys or its answer cannot be had. The message of
    a CallerError is for the record: no caller gets to see it.
    """

    def identify(self, credential: Credential, endpoint: str | None) -> Principal | None:
        """The principal behind a credential that is presented at an endpoint (None: the aggregate).

        None: an issuer has to be asked first, with `ask`. Never waits.
        """
        ...

    async def ask(self, credential: Credential, endpoint: str | None) -> Principal:
        """The same, after asking whoever has to be asked. For whoever got None from `identify`.

        Needs no current task (pipeline/drive.py). To cancel it leaves alone what others wait for as well.
        """
        ...


class Revocations(Protocol):
    """What is revoked or blocked; a frozen value, replaced whole when anything of it changes."""

    def holds(self, principal: Principal) -> Reason | None:
        """Why this principal may not come in; None when it may. CREDENTIAL_REVOKED or BLOCKED."""
        ...
