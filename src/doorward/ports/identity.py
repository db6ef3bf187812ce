"""Who is asking: credential in, principal out."""

from typing import Protocol

from doorward.model.call import Credential
from doorward.model.principal import Principal


class Identity(Protocol):
    """Answers from memory; refreshes itself when a store's epoch moves."""

    def identify(self, credential: Credential) -> Principal:
        """The principal behind a credential.

        Raises CallerError: CREDENTIAL_MISSING, CREDENTIAL_INVALID, CREDENTIAL_EXPIRED, CREDENTIAL_REVOKED or
        PROXIED_WITHOUT_CREDENTIAL. Raises GatewayError(STORE_UNAVAILABLE) when keys are too stale to trust.
        """
        ...
