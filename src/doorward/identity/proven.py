"""What was found out about a credential, and who finds it out."""

from typing import Protocol

import msgspec

from doorward.identity.narrow import Networks
from doorward.model.call import Credential
from doorward.model.principal import Principal


class Proven(msgspec.Struct, eq=False):
    """That a secret was proven, for as long as that may be relied on. Kept by a digest of the secret."""

    principal: Principal
    until: float
    """Seconds since 1970; infinite where only a change of the store ends it."""
    thumbprint: str | None = None
    """Of the client certificate that has to be presented with it (RFC 8705 section 3.1)."""
    networks: Networks | None = None
    """Where it has to come from; None: from anywhere."""
    judged: object = None
    """The revocations under which it was last found good."""


class Tokens(Protocol):
    """Whoever knows about access tokens; `Directory` knows about the rest. Both verbs raise as ports.Identity
    says."""

    def identify(self, credential: Credential, endpoint: str | None) -> Proven | None:
        """None when an issuer has to be asked. Never waits."""
        ...

    async def ask(self, credential: Credential, endpoint: str | None) -> Proven:
        """For whoever got None."""
        ...

    def forget(self) -> None:
        """Verify, or ask about, every token again that is presented from now on."""


class Certificates(Protocol):
    """Whoever knows which client certificate is which agent."""

    def identify(self, credential: Credential) -> Proven:
        """Of `credential.certificate`, which is there. Raises CallerError(AGENT_UNMATCHED)."""
        ...
