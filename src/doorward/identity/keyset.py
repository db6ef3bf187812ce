"""The keys of an issuer (RFC 7517): what it publishes in, what may check a signature out. Pure.

A key that we would not use is passed over, and the rest of the set counts: an issuer may publish keys for
encryption beside it, or of a kind that we do not know. A document that is no key set is refused whole.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from doorward.identity.preparse import KID, RENAMED, decoded
from doorward.model.errors import CallerError
from doorward.wire import strict

MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Asymmetric only: whoever can check a symmetric signature can make one (RFC 8725 section 2.1)."""
_FEWEST_BITS, _MOST_BITS = 2048, 8192
"""Of an RSA modulus: NIST SP 800-131A, and what one signature may cost us."""
_LEAST_EXPONENT: Final = 65537
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_OF_CURVE: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
_OF_RSA: Final = frozenset(name for name in ALGORITHMS if name.startswith(("RS", "PS")))


class VerifyingKey(msgspec.Struct, frozen=True, eq=False):
    """A public key, and the algorithms that it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    key: RSAKey | ECKey | OKPKey
    issuer: str | None = None
    """Where a set is shared, as Entra's is by its tenants: whose key it is."""
    thumbprint: str = ""
    """RFC 7638: what it is known by whatever it is called."""

    def verifies(self, alg: str, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` is one of this key over `signed`; not for an algorithm that is not its own."""
        if alg not in self.algorithms:
            return False
        # The registry's own look-up warns at each use of the name that RFC 9864 has replaced.
        return bool(JWSRegistry.algorithms[alg].verify(signed, signature, self.key))


class KeySet(msgspec.Struct, frozen=True, eq=False):
    """The keys of one document that may be used."""

    keys: Mapping[str | None, tuple[VerifyingKey, ...]]
    """By `kid`; those without one under None."""
    passed_over: tuple[str, ...] = ()
    """Why each other one is not used, for the operator."""

    def find(self, kid: str | None, alg: str, *, single: bool = False) -> VerifyingKey | None:
        """The one key of this name and for this algorithm; None when there is none, or more than one.

        `single`: a token without `kid` means the only key of the set, and so does one whose key has none.
        """
        found = self.keys.get(kid, ()) if kid is not None else ()
        if single and not found and len(self.all()) == 1:
            found = self.all() if kid is None else self.keys.get(None, ())
        fitting = [key for key in found if alg in key.algorithms]
        return fitting[0] if len(fitting) == 1 else None

    def all(self) -> tuple[VerifyingKey, ...]:
        return tuple(key for named in self.keys.values() for key in named)


def read(document: bytes, algorithms: Iterable[str] = ALGORITHMS) -> KeySet:
    """`algorithms`: those that the issuer may use. Raises ValueError for what is no key set."""
    if len(document) > MAX_BYTES:
        raise ValueError(f"the key set is larger than {MAX_BYTES} bytes")
    try:
        said = strict.decode(document)
    except CallerError as error:
        raise ValueError(f"the key set is not strict JSON: {error.message}") from None
    entries = said.get("keys") if type(said) is dict else None
    if type(entries) is not list:
        raise ValueError("the key set has no list of keys")
    if len(entries) > MAX_KEYS:
        raise ValueError(f"the key set has more than {MAX_KEYS} keys")
    allowed, passed_over = frozenset(algorithms), []
    found: dict[str | None, list[VerifyingKey]] = {}
    for number, entry in enumerate(entries):
        try:
            key = _key(entry, allowed)
        except ValueError as error:
            passed_over.append(f"key {number}: {error}")
            continue
        found.setdefault(key.kid, []).append(key)
    return KeySet({kid: tuple(keys) for kid, keys in found.items()}, tuple(passed_over))


def _key(entry: Any, allowed: frozenset[str]) -> VerifyingKey:
    """Raises ValueError: why not."""
    if type(entry) is not dict:
        raise ValueError("it is no object")
    if not _PRIVATE.isdisjoint(entry):
        raise ValueError("its secret part is published, or it is symmetric: anybody can sign with it")
    _check_use(entry)
    kid = entry.get("kid")
    if kid is not None and (type(kid) is not str or not KID.fullmatch(kid)):
        raise ValueError("its kid is not one that a token here can name")
    algorithms = _algorithms(entry) & allowed
    if not algorithms:
        raise ValueError("its algorithm is not accepted")
    issuer = entry.get("issuer")
    if issuer is not None and type(issuer) is not str:
        raise ValueError("its issuer is no text")
    key = _imported(entry)
    return VerifyingKey(kid, algorithms, key, issuer, key.thumbprint())


def _check_use(entry: dict[str, Any]) -> None:
    """RFC 7517 sections 4.2 and 4.3."""
    if entry.get("use", "sig") != "sig":
        raise ValueError("it is not for signatures (use)")
    operations = entry.get("key_ops", ["verify"])
    if type(operations) is not list or "verify" not in operations:
        raise ValueError("it does not check signatures (key_ops)")


def _algorithms(entry: dict[str, Any]) -> frozenset[str]:
    """What its type and curve allow, and of that what its `alg` says."""
    match entry.get("kty"), entry.get("crv"):
        case "RSA", None:
            possible = _OF_RSA
        case "EC", ("P-256" | "P-384" | "P-521") as curve:
            possible = frozenset({_OF_CURVE[curve]})
        case "OKP", "Ed25519":
            possible = frozenset({"EdDSA"})
        case _:
            raise ValueError("its type or curve is not one that signs here")
    alg = entry.get("alg")
    if alg is None:
        return possible
    if type(alg) is not str:
        raise ValueError("its alg is no text")
    return possible & {RENAMED.get(alg, alg)}


def _imported(entry: dict[str, Any]) -> RSAKey | ECKey | OKPKey:
    members: dict[str, Any] = {
        name: entry[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in entry
    }
    if members["kty"] == "RSA":
        _check_size(_number(members.get("n")), _number(members.get("e")))
    kinds: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey}
    try:
        key = kinds.get(members["kty"], OKPKey).import_key(members)
        key.get_op_key("verify")  # whether the point is on its curve
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"it cannot be used ({type(error).__name__})") from None
    return key


def _number(text: Any) -> int:
    """RFC 7518 section 2, Base64urlUInt. Raises ValueError."""
    return int.from_bytes(decoded(text.encode("utf-8"), "number") if type(text) is str else b"")


def _check_size(modulus: int, exponent: int) -> None:
    if not _FEWEST_BITS <= modulus.bit_length() <= _MOST_BITS:
        raise ValueError(f"an RSA key here has {_FEWEST_BITS} to {_MOST_BITS} bits")
    if exponent < _LEAST_EXPONENT or not exponent & 1 or exponent.bit_length() > 64:
        raise ValueError("its exponent is too small, too large, or even")
