from dataclasses import dataclass, field
from typing import Literal

import pytest
from msgspec.structs import replace

from doorward.identity import keys
from doorward.identity.directory import ANONYMOUS, KeyDirectory
from doorward.model.bounds import Narrowing, Rate
from doorward.model.call import Credential
from doorward.model.errors import CallerError, DoorwardError, GatewayError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.ports.store import KeyRecord, Previous
from tests.contract.store import OPERATOR

KEY = keys.mint("live")
START = 1_790_000_000.0


class Ring:
    """Two peppers, so that using the wrong one shows."""

    def current(self, purpose: str) -> tuple[int, bytes]:
        return 2, self.version(purpose, 2)

    def version(self, purpose: str, number: int) -> bytes:
        assert purpose == "pepper"
        return bytes([number]) * 32


RECORD = KeyRecord(
    id=KEY.id,
    name="alice",
    agent="coder",
    environment="live",
    digest=keys.digest(b"\1" * 32, KEY.secret),
    pepper_version=1,
    created_at=START,
    created_by="operator",
    expires_at=None,
    revoked_at=None,
)


def credential(secret: str | None, *, local: bool = True, proxied: bool = False) -> Credential:
    return Credential(secret, "127.0.0.1", local, proxied)


@dataclass
class World:
    """A directory with both clocks in hand."""

    mode: Literal["keys", "none"] = "keys"
    now: float = START
    uptime: float = 100.0
    directory: KeyDirectory = field(init=False)

    def __post_init__(self) -> None:
        self.directory = KeyDirectory(
            mode=self.mode,
            ring=Ring(),
            agents=frozenset({"coder"}),
            clock=lambda: self.now,
            monotonic=lambda: self.uptime,
        )
        self.directory.replace([RECORD])

    def refusal(self, given: Credential) -> DoorwardError:
        with pytest.raises(DoorwardError) as caught:
            self.directory.identify(given)
        return caught.value


def test_a_key_is_its_name_and_agent() -> None:
    found = World().directory.identify(credential(KEY.text, local=False, proxied=True))
    assert found == Principal("default", "alice", "coder", "key", KEY.id, strength="key")


def test_the_second_look_says_the_same() -> None:
    directory = World().directory
    assert directory.identify(credential(KEY.text)) is directory.identify(credential(KEY.text))


def test_what_a_connection_presents_again_is_judged_again() -> None:
    """The very object that was proven once, as a head that comes again has it."""
    world, other = World(), World()
    world.directory.replace([replace(RECORD, expires_at=START + 10)])
    shown = credential(KEY.text)
    for _ in range(3):
        assert world.directory.identify(shown).subject == "alice"
    assert other.directory.identify(shown).subject == "alice"
    assert world.directory.identify(shown).subject == "alice"

    world.uptime += 61.0
    assert world.refusal(shown).reason is Reason.STORE_UNAVAILABLE
    world.directory.confirm()
    assert world.directory.identify(shown).subject == "alice"
    world.now = START + 10
    assert world.refusal(shown).reason is Reason.CREDENTIAL_EXPIRED
    world.now = START
    assert world.directory.identify(shown).subject == "alice"
    world.directory.replace([replace(RECORD, revoked_at=START)])
    assert world.refusal(shown).reason is Reason.CREDENTIAL_REVOKED
    world.directory.replace([replace(RECORD, agent="ghost")])
    assert world.refusal(shown).reason is Reason.CREDENTIAL_INVALID
    world.directory.replace([])
    assert world.refusal(shown).reason is Reason.CREDENTIAL_INVALID
    assert other.directory.identify(shown).subject == "alice"


def test_no_credential_is_missing() -> None:
    assert World().refusal(credential(None)).reason is Reason.CREDENTIAL_MISSING


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "garbage",
        "dw_live_x",
        KEY.text[:-1],
        "\ud800",
        keys.mint("live").text,
        keys.VirtualKey("live", KEY.id, "a" * 43).text,
        keys.VirtualKey("test", KEY.id, KEY.secret).text,
    ],
    ids=["empty", "garbage", "short", "cut", "surrogate", "another", "wrong-secret", "wrong-environment"],
)
def test_anything_but_a_known_key_is_invalid(secret: str) -> None:
    error = World().refusal(credential(secret))
    assert error.reason is Reason.CREDENTIAL_INVALID
    assert KEY.secret not in error.message


def test_unknown_id_and_wrong_secret_read_the_same() -> None:
    world = World()
    unknown = world.refusal(credential(keys.mint("live").text))
    wrong = world.refusal(credential(keys.VirtualKey("live", KEY.id, "a" * 43).text))
    assert unknown.message == wrong.message


def test_revocation_counts_also_for_a_key_in_use() -> None:
    world = World()
    world.directory.identify(credential(KEY.text))
    world.directory.replace([replace(RECORD, revoked_at=START)])
    assert world.refusal(credential(KEY.text)).reason is Reason.CREDENTIAL_REVOKED


def test_a_key_that_is_gone_is_invalid() -> None:
    world = World()
    world.directory.identify(credential(KEY.text))
    world.directory.replace([])
    assert world.refusal(credential(KEY.text)).reason is Reason.CREDENTIAL_INVALID


def test_expiry_counts_also_for_a_key_in_use() -> None:
    world = World()
    world.directory.replace([replace(RECORD, expires_at=START + 10)])
    world.now = START + 9.9
    world.directory.identify(credential(KEY.text))
    world.now = START + 10
    assert world.refusal(credential(KEY.text)).reason is Reason.CREDENTIAL_EXPIRED


@pytest.mark.parametrize("ended", [{"revoked_at": START - 1}, {"expires_at": START - 1}])
def test_what_became_of_a_key_only_its_holder_learns(ended: dict[str, float]) -> None:
    world = World()
    world.directory.replace([replace(RECORD, **ended)])
    guess = keys.VirtualKey("live", KEY.id, "a" * 43)
    assert world.refusal(credential(guess.text)).reason is Reason.CREDENTIAL_INVALID


def test_a_key_of_an_agent_that_is_not_configured_says_so() -> None:
    world = World()
    world.directory.replace([replace(RECORD, agent="ghost")])
    error = world.refusal(credential(KEY.text))
    assert error.reason is Reason.CREDENTIAL_INVALID
    assert "'ghost'" in error.message


def test_uses_the_pepper_version_of_the_record() -> None:
    world = World()
    world.directory.replace([replace(RECORD, pepper_version=2)])
    assert world.refusal(credential(KEY.text)).reason is Reason.CREDENTIAL_INVALID


def test_refuses_everybody_when_the_store_was_not_read_for_too_long() -> None:
    world = World()
    world.directory.identify(credential(KEY.text))
    world.uptime += 60.1
    error = world.refusal(credential(KEY.text))
    assert isinstance(error, GatewayError)
    assert error.reason is Reason.STORE_UNAVAILABLE
    world.directory.confirm()
    assert world.directory.identify(credential(KEY.text)).subject == "alice"


def test_refuses_everybody_before_the_store_was_read() -> None:
    directory = KeyDirectory(mode="keys", ring=Ring(), agents=frozenset({"coder"}))
    with pytest.raises(GatewayError):
        directory.identify(credential(KEY.text))


def test_invalid_keys_are_not_remembered() -> None:
    world = World()
    for _ in range(20):
        world.refusal(credential(keys.mint("live").text))
    assert len(world.directory._keys._proven) == 0


def test_the_memory_of_proven_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.identity.key_proofs._CACHE_LIMIT", 4)
    world = World()
    many = [keys.mint("live") for _ in range(10)]
    world.directory.replace(
        [replace(RECORD, id=key.id, digest=keys.digest(b"\1" * 32, key.secret)) for key in many]
    )
    for key in many:
        assert world.directory.identify(credential(key.text)).key_id == key.id
    assert len(world.directory._keys._proven) <= 4


class TestWithoutAuthentication:
    def test_a_direct_local_caller_is_anonymous(self) -> None:
        assert World("none").directory.identify(credential(None)) == ANONYMOUS

    def test_needs_no_store(self) -> None:
        world = World("none")
        world.uptime += 10_000
        assert world.directory.identify(credential(None)).agent == "anonymous"

    def test_a_proxied_caller_is_refused(self) -> None:
        error = World("none").refusal(credential(None, proxied=True))
        assert error.reason is Reason.PROXIED_WITHOUT_CREDENTIAL

    def test_a_caller_from_elsewhere_is_refused(self) -> None:
        error = World("none").refusal(credential(None, local=False))
        assert error.reason is Reason.CREDENTIAL_MISSING

    @pytest.mark.parametrize("secret", [KEY.text, "anything", ""], ids=["a real key", "anything", "empty"])
    def test_a_credential_is_never_ignored(self, secret: str) -> None:
        error = World("none").refusal(credential(secret))
        assert isinstance(error, CallerError)
        assert error.reason is Reason.CREDENTIAL_INVALID
        assert "auth: none" in error.message


def test_a_key_carries_what_it_leaves_of_its_agent() -> None:
    world = World()
    world.directory = KeyDirectory(
        mode="keys",
        ring=Ring(),
        agents=frozenset({"coder"}),
        teams={"coder": "platform"},
        clock=lambda: world.now,
        monotonic=lambda: world.uptime,
    )
    world.directory.replace([replace(RECORD, servers=("git",), rate="10/s", expires_at=START + 9)])
    found = world.directory.identify(credential(KEY.text))
    assert found is not None
    assert found.bounds is not None
    assert found.bounds.narrowings == (Narrowing("key", ("git",)),)
    assert (found.rate, found.team, found.expires_at) == (Rate(10, 1.0), "platform", START + 9)


def test_a_key_of_a_creator_who_is_gone_is_suspended_until_there_is_one_again() -> None:
    world, hers = World(), replace(RECORD, creator_id=OPERATOR.id)
    anna = replace(OPERATOR, role="owner", agents=None, expires_at=None)
    given = credential(KEY.text)
    world.directory.replace([hers], [anna])
    assert world.directory.identify(given) is not None
    for now in ([], [replace(anna, removed_at=START)], [replace(anna, role="viewer")]):
        world.directory.replace([hers], now)
        assert world.refusal(given).reason is Reason.KEY_SUSPENDED
    world.directory.replace([hers], [anna])
    assert world.directory.identify(given) is not None


def test_a_key_ends_when_the_time_of_its_creator_is_over() -> None:
    world, given = World(), credential(KEY.text)
    anna = replace(OPERATOR, role="owner", agents=None, servers=None, expires_at=START + 5)
    world.directory.replace([replace(RECORD, creator_id=anna.id)], [anna])
    assert world.directory.identify(given) is not None
    world.now += 5
    assert world.refusal(given).reason is Reason.CREDENTIAL_EXPIRED


def test_a_key_is_refused_from_networks_that_it_does_not_name() -> None:
    world = World()
    world.directory.replace([replace(RECORD, networks=("10.0.0.0/8",))])
    inside = Credential(KEY.text, "10.1.2.3", local=False, proxied=False)
    outside = Credential(KEY.text, "192.0.2.1", local=False, proxied=False)
    assert world.refusal(outside).reason is Reason.NETWORK_FORBIDDEN
    assert world.directory.identify(inside) is not None
    assert world.refusal(outside).reason is Reason.NETWORK_FORBIDDEN
    assert world.refusal(Credential(KEY.text, "stdio", True, False)).reason is Reason.NETWORK_FORBIDDEN


def test_both_secrets_of_a_rotation_work_until_the_overlap_ends() -> None:
    world, newer = World(), keys.VirtualKey("live", KEY.id, keys.mint("live").secret)
    old = Previous(RECORD.digest, RECORD.pepper_version, START + 60)
    rotated = replace(RECORD, digest=keys.digest(b"\1" * 32, newer.secret), previous=old)
    world.directory.replace([rotated])
    first, second = credential(KEY.text), credential(newer.text)
    found = world.directory.identify(first)
    assert found is not None
    assert found == replace(world.directory.identify(second), expires_at=START + 60)
    world.now += 60
    assert world.refusal(first).reason is Reason.CREDENTIAL_EXPIRED
    assert world.refusal(credential(KEY.text)).reason is Reason.CREDENTIAL_EXPIRED
    assert world.directory.identify(second) is not None
    world.directory.replace([rotated])
    assert world.refusal(first).reason is Reason.CREDENTIAL_INVALID


def test_wrong_networks_and_lost_creators_are_no_use_of_a_key() -> None:
    world = World()
    world.directory.replace([replace(RECORD, networks=("10.0.0.0/8",))])
    world.refusal(credential(KEY.text))
    world.directory.replace([replace(RECORD, creator_id="op_gone")])
    world.refusal(credential(KEY.text))
    assert world.directory.take_used() == {}
