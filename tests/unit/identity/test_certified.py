import pytest

from doorward.identity.certified import Certified
from doorward.identity.match import CertificateMatch
from doorward.model.call import Credential
from doorward.model.certificate import ClientCertificate
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

SPIFFE = "spiffe://td/ns/ci"


def shown(*uris: str, issuer: str = "CN=ca") -> Credential:
    certificate = ClientCertificate("ab" * 32, "CN=ci", issuer, uris, (), (), 99.0)
    return Credential(None, "192.0.2.1", local=False, proxied=False, certificate=certificate)


def test_it_is_the_agent_that_it_matches_for_as_long_as_it_is_valid() -> None:
    matches = (CertificateMatch("ci", uri="spiffe://td/ns/*"), CertificateMatch("cd", subject="CN=cd"))
    proven = Certified(matches, {"ci": "platform"}).identify(shown(SPIFFE))
    found = proven.principal
    assert (found.agent, found.subject, found.issuer, found.team) == ("ci", SPIFFE, "CN=ca", "platform")
    assert (found.method, found.strength, found.bounds, found.human) == (
        "certificate", "certificate", None, False,
    )  # fmt: skip
    assert proven.until == found.expires_at == 99.0


def test_the_next_certificate_of_a_name_finds_its_sessions_and_nobody_else_does() -> None:
    known = Certified((CertificateMatch("ci", uri="spiffe://*"),), {})
    owner = known.identify(shown(SPIFFE)).principal.owner
    assert known.identify(shown(SPIFFE, "spiffe://td/other")).principal.owner == owner
    assert known.identify(shown(SPIFFE, issuer="CN=other")).principal.owner != owner
    assert known.identify(shown("spiffe://td/else")).principal.owner != owner


@pytest.mark.parametrize(
    ("matches", "said"),
    [
        ((), "matches no agent"),
        ((CertificateMatch("ci", uri="spiffe://other/*"),), "matches no agent"),
        (
            (CertificateMatch("ci", uri=SPIFFE), CertificateMatch("cd", subject="CN=ci")),
            "more than one agent: cd, ci",
        ),
    ],
)
def test_no_agent_or_two_is_no_caller(matches: tuple[CertificateMatch, ...], said: str) -> None:
    with pytest.raises(CallerError, match=said) as caught:
        Certified(matches, {}).identify(shown(SPIFFE))
    assert caught.value.reason is Reason.AGENT_UNMATCHED


def test_two_entries_of_one_agent_are_alternatives() -> None:
    both = (CertificateMatch("ci", subject="CN=ci"), CertificateMatch("ci", uri=SPIFFE))
    assert Certified(both, {}).identify(shown(SPIFFE)).principal.subject == "CN=ci"
