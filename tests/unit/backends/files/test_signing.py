import pytest

from doorward.audit.notes import verifier_key
from doorward.backends.files.signing import PURPOSE, SigningKeys
from doorward.model.errors import GatewayError
from tests.unit.backends.files.logs import MemoryRing

ORIGIN = "doorward.dev/log/0123456789abcdef"


def test_a_key_is_found_by_its_public_side() -> None:
    ring = MemoryRing()
    signing = SigningKeys(ring)
    first = signing.current(ORIGIN)
    ring.rotate(PURPOSE)
    second = signing.current(ORIGIN)
    assert first != second
    assert [signing.seed(key) for key in (first, second)] == ring.keys[PURPOSE]
    assert first == verifier_key(ORIGIN, signing.seed(first))


def test_a_version_that_another_process_made_is_found() -> None:
    ring = MemoryRing()
    signing = SigningKeys(ring)
    signing.current(ORIGIN)
    _, seed = ring.rotate(PURPOSE)
    assert signing.seed(verifier_key(ORIGIN, seed)) == seed


def test_a_key_that_the_ring_does_not_have_is_named() -> None:
    signing = SigningKeys(MemoryRing())
    foreign = verifier_key(ORIGIN, b"\x77" * 32)
    assert not signing.ours(foreign)
    with pytest.raises(GatewayError, match="restore the ring") as caught:
        signing.seed(foreign)
    assert foreign.text in caught.value.message


def test_the_key_of_another_log_is_another_key() -> None:
    ring = MemoryRing()
    signing = SigningKeys(ring)
    ours = signing.current(ORIGIN)
    assert not signing.ours(ours._replace(public=b"\x01" * 32))
    assert signing.ours(signing.current("doorward.dev/log/ffffffffffffffff"))
