import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey

from doorward.identity import keyset
from doorward.identity.keyset import KeySet
from tests.support.tokens import Mint, b64, published, sign

MINT = Mint("https://id.example.com", "x")
RSA, EC, ED = (MINT.keys[kid][1] for kid in ("k-rsa", "k-ec", "k-ed"))


def read(*entries: Any, **more: Any) -> KeySet:
    return keyset.read(json.dumps({"keys": list(entries)}).encode(), **more)


def test_every_kind_of_key_checks_what_it_has_signed_and_nothing_else() -> None:
    keys = read(*MINT.public()["keys"])
    for kid, (alg, key) in MINT.keys.items():
        signed, _, _ = sign({"kid": kid}, {}, key, alg).rpartition(".")
        found = keys.find(kid, alg)
        assert found is not None
        assert found.verifies(alg, signed.encode(), _signature(key, alg, signed))
        assert not found.verifies(alg, signed.encode() + b"x", _signature(key, alg, signed))
        assert not found.verifies("HS256", signed.encode(), _signature(key, alg, signed))
    assert keys.passed_over == ()


def _signature(key: Any, alg: str, signed: str) -> bytes:
    signature: bytes = keyset.JWSRegistry.algorithms[alg].sign(signed.encode(), key)
    return signature


def test_a_key_is_for_the_algorithms_of_its_type_its_curve_and_its_own_word() -> None:
    assert read(published("r", RSA)).all()[0].algorithms == {
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    }  # fmt: skip
    assert read(published("r", RSA, alg="PS256")).all()[0].algorithms == {"PS256"}
    assert read(published("r", RSA), algorithms=["RS256"]).all()[0].algorithms == {"RS256"}
    assert read(published("e", EC)).all()[0].algorithms == {"ES256"}
    assert read(published("o", ED, alg="Ed25519")).all()[0].algorithms == {"EdDSA"}
    assert read(published("r", RSA)).find("r", "ES256") is None


def _weak(bits: int, exponent: int = 65537) -> dict[str, Any]:
    numbers = {"n": (1 << bits - 1) | 1, "e": exponent}
    return {"kty": "RSA", "kid": "w"} | {
        name: b64(number.to_bytes((number.bit_length() + 7) // 8)) for name, number in numbers.items()
    }


PASSED_OVER: dict[str, Any] = {
    "symmetric": OctKey.generate_key(256).as_dict(private=True) | {"kid": "s"},
    "with its secret part": {**RSA.as_dict(private=True), "kid": "p"},
    "for encryption": published("x", RSA, use="enc"),
    "with other uses": {**published("x", RSA), "use": ["sig"]},
    "that only signs": published("x", RSA, key_ops=["sign"]),
    "whose operations are text": published("x", RSA, key_ops="verify"),
    "for encryption by its alg": published("x", RSA, alg="RSA-OAEP"),
    "with an alg of another type": published("x", RSA, alg="ES256"),
    "with a symmetric alg": published("x", RSA, alg="HS256"),
    "whose alg is a number": published("x", RSA, alg=1),
    "with a kid that no token can name": published("../x", RSA),
    "whose kid is a number": {**published(None, RSA), "kid": 1},
    "of an unknown type": {"kty": "AKP", "kid": "x"},
    "of no type": {"kid": "x"},
    "on a curve that does not sign here": published("x", OKPKey.generate_key("X25519", private=True)),
    "on Ed448": published("x", OKPKey.generate_key("Ed448", private=True)),
    "on the curve of Bitcoin": published("x", ECKey.generate_key("secp256k1", private=True)),
    "beside its curve": {**published("x", EC), "y": published("x", EC)["x"]},
    "without its numbers": {"kty": "RSA", "kid": "x"},
    "with numbers that are none": {"kty": "RSA", "kid": "x", "n": "!!", "e": "AQAB"},
    "with a number as number": {"kty": "RSA", "kid": "x", "n": 5, "e": "AQAB"},
    "of 1,024 bits": _weak(1024),
    "of 16,384 bits": _weak(16384),
    "with a small exponent": _weak(2048, 3),
    "whose issuer is no text": published("x", RSA, issuer=1),
    "that is no object": "key",
}


@pytest.mark.parametrize("entry", PASSED_OVER.values(), ids=PASSED_OVER)
def test_a_key_that_cannot_be_used_is_passed_over_and_the_others_count(entry: Any) -> None:
    found = read(entry, published("good", EC))
    assert [key.kid for key in found.all()] == ["good"]
    assert len(found.passed_over) == 1
    assert found.passed_over[0].startswith("key 0: ")


NO_SETS: dict[str, bytes] = {
    "a list": b"[]",
    "no keys": b"{}",
    "keys an object": b'{"keys":{}}',
    "keys twice": b'{"keys":[],"keys":[]}',
    "no JSON": b"<html>",
    "nothing": b"",
    "too many": json.dumps({"keys": [{}] * 101}).encode(),
    "too large": b'{"keys":[]}' + b" " * keyset.MAX_BYTES,
}


@pytest.mark.parametrize("document", NO_SETS.values(), ids=NO_SETS)
def test_what_is_no_key_set_is_refused_whole(document: bytes) -> None:
    with pytest.raises(ValueError, match="key set"):
        keyset.read(document)


def test_a_set_without_keys_is_one() -> None:
    assert read().all() == ()


def test_two_keys_of_one_name_are_told_apart_by_their_algorithm_or_not_at_all() -> None:
    other = ECKey.generate_key("P-256", private=True)
    mixed = read(published("k", RSA), published("k", EC))
    assert mixed.find("k", "ES256") is not mixed.find("k", "RS256") is not None
    assert read(published("k", EC), published("k", other)).find("k", "ES256") is None


def test_without_a_name_the_only_key_is_meant_where_the_issuer_has_one() -> None:
    one, two = read(published("k", EC)), read(published("k", EC), published("l", RSA))
    nameless = read(published(None, EC))
    assert one.find(None, "ES256") is None
    assert one.find(None, "ES256", single=True) is one.all()[0]
    assert two.find(None, "ES256", single=True) is None
    assert two.find("k", "ES256", single=True) is not None
    assert nameless.find("any", "ES256") is None
    assert nameless.find("any", "ES256", single=True) is nameless.all()[0]
    assert one.find("other", "ES256", single=True) is None
