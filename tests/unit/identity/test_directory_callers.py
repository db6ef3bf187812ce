"""The directory with every kind of credential: which of them counts, and what makes it look again."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from doorward.identity.directory import KeyDirectory
from doorward.identity.proven import Proven
from doorward.model.call import Credential
from doorward.model.certificate import ClientCertificate
from doorward.model.errors import CallerError, DoorwardError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from tests.unit.identity.test_directory import KEY, RECORD, START, Ring

ANNA = Principal("default", "anna", "coder", "jwt", issuer="https://id", token_id="t-1")
CI = Principal("default", "CN=ci", "coder", "certificate", issuer="CN=ca")
CERTIFICATE = ClientCertificate("ab" * 32, "CN=ci", "CN=ca", (), (), (), START + 50)


class FakeTokens:
    """Knows `known`; about everybody else it has to be asked, and then it says the same."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str | None], Proven] = {}
        self.answers: dict[str, Proven | DoorwardError] = {}
        self.looks = 0
        self.forgotten = 0

    def identify(self, credential: Credential, endpoint: str | None) -> Proven | None:
        self.looks += 1
        return self.known.get((credential.secret or "", endpoint))

    async def ask(self, credential: Credential, endpoint: str | None) -> Proven:
        await asyncio.sleep(0)
        found = self.answers[credential.secret or ""]
        if isinstance(found, DoorwardError):
            raise found
        self.known[credential.secret or "", endpoint] = found
        return found

    def forget(self) -> None:
        self.forgotten += 1


class FakeCertificates:
    def identify(self, credential: Credential) -> Proven:
        if credential.certificate != CERTIFICATE:
            raise CallerError(Reason.AGENT_UNMATCHED, "the client certificate matches no agent")
        return Proven(CI, CERTIFICATE.not_after)


@dataclass
class World:
    now: float = START
    uptime: float = 100.0
    accepts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tokens = FakeTokens()
        self.tokens.known["tok", None] = Proven(ANNA, START + 300)
        self.directory = KeyDirectory(
            mode="keys",
            ring=Ring(),
            agents=frozenset({"coder"}),
            clock=lambda: self.now,
            monotonic=lambda: self.uptime,
            **({"tokens": self.tokens, "certificates": FakeCertificates()} | self.accepts),
        )
        self.directory.replace([RECORD])

    def refusal(self, given: Credential, endpoint: str | None = None) -> DoorwardError:
        with pytest.raises(DoorwardError) as caught:
            self.directory.identify(given, endpoint)
        return caught.value


def shown(secret: str | None, certificate: ClientCertificate | None = None) -> Credential:
    return Credential(secret, "192.0.2.1", local=False, proxied=False, certificate=certificate)


class Blocks:
    """Blocks subjects; counts how often it was asked."""

    def __init__(self, **blocked: Reason) -> None:
        self.blocked = blocked
        self.asked = 0

    def holds(self, principal: Principal) -> Reason | None:
        self.asked += 1
        return self.blocked.get(principal.subject)


def test_the_prefix_says_what_it_is() -> None:
    world = World()
    assert world.directory.identify(shown(KEY.text)).method == "key"
    assert world.tokens.looks == 0
    assert world.directory.identify(shown("tok")) is ANNA
    assert world.directory.identify(shown(None, CERTIFICATE)) is CI
    error = world.refusal(shown("dwa_" + "a" * 61))
    assert (error.reason, "operator" in error.message) == (Reason.CREDENTIAL_INVALID, True)
    assert world.tokens.looks == 1


def test_what_is_shown_beside_a_certificate_is_what_counts() -> None:
    world = World()
    assert world.directory.identify(shown(KEY.text, CERTIFICATE)).method == "key"
    assert world.directory.identify(shown("tok", CERTIFICATE)) is ANNA
    assert world.refusal(shown("dw_live_x", CERTIFICATE)).reason is Reason.CREDENTIAL_INVALID


def test_only_what_is_configured_counts() -> None:
    world = World(accepts={"keys": False})
    assert "auth.keys" in world.refusal(shown(KEY.text)).message
    world = World(accepts={"tokens": None, "certificates": None})
    assert world.refusal(shown("tok")).reason is Reason.CREDENTIAL_INVALID
    assert world.refusal(shown(None, CERTIFICATE)).reason is Reason.CREDENTIAL_MISSING
    assert world.refusal(shown("dwa_x")).reason is Reason.CREDENTIAL_INVALID
    assert "a key, and none" in world.refusal(shown(None)).message
    assert "a key or a token or a client certificate, and" in World().refusal(shown(None)).message


def test_a_token_on_a_connection_is_looked_up_once_for_each_endpoint() -> None:
    world, given = World(), shown("tok")
    world.tokens.known["tok", "crm"] = Proven(CI, START + 300)
    for _ in range(3):
        assert world.directory.identify(given) is ANNA
    assert world.tokens.looks == 1
    assert world.directory.identify(given, "crm") is CI
    assert world.directory.identify(given) is ANNA
    assert world.tokens.looks == 3


def test_what_was_proven_for_one_directory_is_nothing_to_another() -> None:
    one, two, given = World(), World(), shown("tok")
    two.tokens.known.clear()
    assert one.directory.identify(given) is ANNA
    assert two.directory.identify(given) is None


def test_a_proof_ends_with_its_time() -> None:
    world, given, other = World(), shown("tok"), shown(None, CERTIFICATE)
    assert world.directory.identify(given) is ANNA
    assert world.directory.identify(other) is CI
    world.now += 50
    assert world.refusal(other).reason is Reason.CREDENTIAL_EXPIRED
    world.now += 250
    world.tokens.known.clear()
    assert world.directory.identify(given) is None


@pytest.mark.asyncio
async def test_who_is_not_known_is_asked_about() -> None:
    world, given = World(), shown("new")
    world.tokens.answers["new"] = Proven(ANNA, START + 60)
    assert world.directory.identify(given) is None
    assert await world.directory.ask(given) is ANNA
    assert world.directory.identify(given) is ANNA
    assert await world.directory.ask(shown("tok")) is ANNA
    world.tokens.answers["bad"] = CallerError(Reason.CREDENTIAL_INVALID, "not active")
    with pytest.raises(CallerError, match="not active"):
        await world.directory.ask(shown("bad"))


@pytest.mark.asyncio
async def test_an_answer_that_comes_after_the_store_was_lost_lets_nobody_in() -> None:
    world = World()
    world.tokens.answers["new"] = Proven(ANNA, START + 60)
    asking = asyncio.create_task(world.directory.ask(shown("new")))
    await asyncio.sleep(0)
    world.uptime += 61
    with pytest.raises(GatewayError, match="cannot be read"):
        await asking


def test_without_the_store_nobody_gets_in_for_longer_than_configured() -> None:
    world = World(accepts={"stale_after": 5.0})
    given = [shown(KEY.text), shown("tok"), shown(None, CERTIFICATE)]
    for one in given:
        assert world.directory.identify(one)
    world.uptime += 5.1
    for one in (*given, shown(KEY.text), shown("tok"), shown(None, CERTIFICATE)):
        assert world.refusal(one).reason is Reason.STORE_UNAVAILABLE
    world.directory.confirm()
    for one in given:
        assert world.directory.identify(one)


def test_a_bound_token_counts_on_connections_with_its_certificate() -> None:
    world = World()
    world.tokens.known["bound", None] = Proven(ANNA, START + 300, CERTIFICATE.thumbprint)
    mine, bare = shown("bound", CERTIFICATE), shown("bound")
    for _ in range(2):
        assert world.directory.identify(mine) is ANNA
        assert "did not present" in world.refusal(bare).message
    other = ClientCertificate("cd" * 32, "CN=ci", "CN=ca", (), (), (), START + 50)
    assert world.refusal(shown("bound", other)).reason is Reason.CREDENTIAL_INVALID


def test_what_is_revoked_is_refused_at_the_next_look_and_asked_about_once() -> None:
    world = World()
    given = {"alice": shown(KEY.text), "anna": shown("tok"), "CN=ci": shown(None, CERTIFICATE)}
    for one in given.values():
        assert world.directory.identify(one)
    looks = world.tokens.looks
    world.directory.revoked = Blocks(anna=Reason.CREDENTIAL_REVOKED, alice=Reason.BLOCKED)
    assert world.refusal(given["anna"]).reason is Reason.CREDENTIAL_REVOKED
    assert world.refusal(given["alice"]).reason is Reason.BLOCKED
    assert world.directory.identify(given["CN=ci"]) is CI
    assert world.refusal(shown("tok")).reason is Reason.CREDENTIAL_REVOKED
    assert world.tokens.looks == looks + 2

    nothing = Blocks()
    world.directory.revoked = nothing
    for _ in range(3):
        for one in given.values():
            assert world.directory.identify(one)
    assert nothing.asked == 3  # once each, however often they come
    assert world.directory.revoked is nothing


def test_a_key_of_an_issuer_that_is_gone_makes_every_token_be_verified_again() -> None:
    world, given = World(), shown("tok")
    assert world.directory.identify(given) is ANNA
    world.tokens.known.clear()
    assert world.directory.identify(given) is ANNA
    world.directory.distrust_tokens()
    assert world.tokens.forgotten == 1
    assert world.directory.identify(given) is None


def test_what_is_used_is_said_once_and_a_connection_that_goes_on_is_noticed_again() -> None:
    world, given = World(), shown(KEY.text)
    for _ in range(3):
        world.directory.identify(given)
    assert world.directory.take_used() == {KEY.id: START}
    assert world.directory.take_used() == {}
    world.now += 30
    world.directory.identify(given)
    assert world.directory.take_used() == {KEY.id: START + 30}
