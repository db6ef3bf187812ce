"""Who is asking."""

import msgspec


class Principal(msgspec.Struct, frozen=True):
    """A known caller. Authority is that of `agent`, never more (DESIGN section 6)."""

    tenant: str
    subject: str
    """Stable id of the credential's subject: the key's owner or "anonymous"."""
    agent: str
    """Name under `agents:`; its grants are the authority."""
    method: str
    """How it was proven: "key" or "none"."""
    key_id: str | None = None
    actors: tuple[str, ...] = ()
    """Delegation chain, current actor first. Empty for a key."""
    client: str | None = None

    @property
    def owner(self) -> str:
        """What sessions and stdio processes are bound to: tenant + subject + agent, not token bytes."""
        return f"{self.tenant}|{self.subject}|{self.agent}"
