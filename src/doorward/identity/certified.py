"""Callers who are known by the client certificate of their connection alone, without any token. The handshake
has verified the chain; what is left is whose certificate it is."""

from collections.abc import Mapping, Sequence

from doorward.identity.key_proofs import TENANT
from doorward.identity.match import CertificateMatch, only
from doorward.identity.proven import Proven
from doorward.model.call import Credential
from doorward.model.principal import Principal


class Certified:
    """Under one configuration (identity.proven.Certificates)."""

    def __init__(self, matches: Sequence[CertificateMatch], teams: Mapping[str, str]) -> None:
        self._matches = matches
        self._teams = teams

    def identify(self, credential: Credential) -> Proven:
        """See proven.Certificates. The subject is the name that matched first: authorities give the same name
        to the successor of a certificate, which finds the sessions of its predecessor again."""
        certificate = credential.certificate
        assert certificate is not None  # whoever asks has looked
        found: dict[str, str] = {}
        for match in self._matches:
            name = match.name(certificate)
            if name is not None:
                found.setdefault(match.agent, name)
        agent = only(frozenset(found), "the client certificate")
        principal = Principal(
            TENANT,
            found[agent],
            agent,
            "certificate",
            issuer=certificate.issuer,
            team=self._teams.get(agent),
            strength="certificate",
            expires_at=certificate.not_after,
        )
        return Proven(principal, certificate.not_after)
