"""Who is still known to a configuration, without a credential."""

import pytest
from msgspec.structs import replace

from doorward.identity.match import CertificateMatch, Person, TokenMatch
from doorward.identity.recognised import Recognised
from doorward.model.bounds import Bounds
from doorward.model.principal import Actor, ActorKind, Principal

ISSUER = "https://id.example.com"
ENTRA = "https://login.microsoftonline.com/{tenantid}/v2.0"
KNOWN = Recognised(
    agents=frozenset({"ci", "desk"}),
    keys=True,
    issuers=(ISSUER, ENTRA),
    tokens=(TokenMatch("desk", ISSUER, "*"), TokenMatch("ci", ISSUER, "ci", "ci"), TokenMatch("desk", ENTRA)),
    people=(Person("@people/0", ISSUER, "anna"), Person("@people/1", ISSUER, group="eng")),
    certificates=(
        CertificateMatch("ci", uri="spiffe://example/*"),
        CertificateMatch("desk", sha256="ab" * 32),
    ),
)
ANNA = Principal(
    "default",
    "anna",
    "desk",
    "jwt",
    issuer=ISSUER,
    client="app",
    human=True,
    bounds=Bounds(people=(("@people/0",),)),
)
ONE = Bounds(people=(("@people/0",),))
BOTH = replace(
    ANNA,
    actors=(Actor(ISSUER, "anna", ActorKind.HUMAN),),
    bounds=Bounds(people=(("@people/0",), ("@people/0",))),
)
ENG = replace(ANNA, subject="berta", groups=frozenset({"eng"}))
CI = Principal("default", "ci", "ci", "introspection", issuer=ISSUER, client="ci")
KEY = Principal("default", "build", "ci", "key", "0123456789AB")
CERT = Principal("default", "spiffe://example/ci", "ci", "certificate", issuer="CN=ca")


@pytest.mark.parametrize(
    "principal",
    [
        ANNA,
        CI,
        KEY,
        CERT,
        replace(ANNA, subject="berta", groups=frozenset({"eng"})),
        replace(ANNA, subject="berta", bounds=Bounds(people=((),))),  # had nothing, has nothing
        replace(BOTH, subject="berta", groups=frozenset({"eng"})),
        replace(BOTH, subject="ci", human=False, bounds=ONE),
        replace(BOTH, actors=(Actor(ISSUER, "carl", ActorKind.SERVICE),)),
        replace(BOTH, actors=(Actor(ISSUER, "carl", ActorKind.HUMAN),), bounds=Bounds(people=(("x",), ()))),
        replace(ENG, actors=(Actor(ISSUER, "berta", ActorKind.HUMAN),)),  # who is the subject
        replace(CERT, subject="whatever", agent="desk"),  # by its digest, which nobody knows any more
        Principal("default", "x", "desk", "jwt", issuer="https://login.microsoftonline.com/abc/v2.0"),
    ],
)
def test_known(principal: Principal) -> None:
    assert KNOWN.knows(principal)


@pytest.mark.parametrize(
    "principal",
    [
        replace(ANNA, subject="berta"),
        replace(BOTH, subject="berta"),
        replace(BOTH, actors=(Actor(ISSUER, "carl", ActorKind.HUMAN),)),
        replace(BOTH, actors=(Actor("https://elsewhere.example", "anna", ActorKind.HUMAN),)),
        replace(ENG, human=False, actors=(Actor(ISSUER, "berta", ActorKind.HUMAN),), bounds=ONE),
        replace(ANNA, issuer="https://other.example.com"),
        replace(ANNA, client=None),
        replace(CI, client="cd"),
        replace(CI, subject="cd"),
        replace(KEY, agent="gone"),
        replace(CERT, subject="spiffe://elsewhere/ci"),
        replace(CERT, agent="gone"),
        Principal("default", "x", "desk", "jwt", issuer="https://login.microsoftonline.com/a/b/v2.0"),
        Principal("default", "anonymous", "anonymous", "none"),
    ],
)
def test_not_known(principal: Principal) -> None:
    assert not KNOWN.knows(principal)


def test_what_is_switched_off_knows_nobody() -> None:
    assert not replace(KNOWN, keys=False).knows(KEY)
    assert not replace(KNOWN, issuers=()).knows(ANNA)
    assert Recognised(anonymous=True).knows(Principal("default", "anonymous", "anonymous", "none"))
