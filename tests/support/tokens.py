"""Access tokens: good ones, and every way to be bad that a test asks for. Real keys, real signatures."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

Json = dict[str, Any]
Key = RSAKey | ECKey | OKPKey


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def dumped(value: Any) -> bytes:
    """A JSON text; text and bytes stand for themselves, so that they may be no JSON at all."""
    match value:
        case bytes():
            return value
        case str():
            return value.encode()
        case _:
            return json.dumps(value, separators=(",", ":")).encode()


def sign(header: Any, claims: Any, key: Key | None, alg: str) -> str:
    """Compact serialization of exactly these two parts; no key: an empty signature."""
    signed = f"{b64(dumped(header))}.{b64(dumped(claims))}"
    signature = b"" if key is None else JWSRegistry.algorithms[alg].sign(signed.encode(), key)
    return f"{signed}.{b64(signature)}"


class Mint:
    """One issuer's keys and what its tokens usually say."""

    def __init__(self, issuer: str, audience: str, *, kids: str = "k") -> None:
        self.issuer = issuer
        self.audience = audience
        self.keys: dict[str, tuple[str, Key]] = {
            f"{kids}-rsa": ("RS256", RSAKey.generate_key(2048, private=True)),
            f"{kids}-ec": ("ES256", ECKey.generate_key("P-256", private=True)),
            f"{kids}-ed": ("EdDSA", OKPKey.generate_key("Ed25519", private=True)),
        }
        self.kids = kids

    def public(self, *kids: str) -> Json:
        """The key set as it publishes it: of these keys, or of all."""
        wanted = kids or tuple(self.keys)
        return {"keys": [published(kid, self.keys[kid][1]) for kid in wanted]}

    def header(self, kid: str | None = None, **more: Any) -> Json:
        name = kid or f"{self.kids}-ec"
        return {"alg": self.keys[name][0], "typ": "at+jwt", "kid": name} | more

    def claims(self, **more: Any) -> Json:
        """Of a program of its own; what is None is left out."""
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "sub": "ci",
            "client_id": "ci",
            "aud": self.audience,
            "exp": now + 600,
            "iat": now,
            "jti": "t-1",
            "scope": "crm:read",
        }
        return {name: value for name, value in (usual | more).items() if value is not None}

    def token(self, kid: str | None = None, head: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """`head`: members of the header; None takes one away."""
        header = self.header(kid) | dict(head or {})
        header = {name: value for name, value in header.items() if value is not None}
        return self.signed(header, self.claims(**claims), kid)

    def signed(self, header: Any, claims: Any, kid: str | None = None, alg: str | None = None) -> str:
        """Any header and payload, with a signature of ours that fits."""
        own, key = self.keys[kid or f"{self.kids}-ec"]
        return sign(header, claims, key, alg or own)


def published(kid: str | None, key: Key, **more: Any) -> Json:
    """A key as a key set has it."""
    said = {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}
    return ({} if kid is None else {"kid": kid}) | {"use": "sig"} | said | more
