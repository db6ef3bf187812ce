"""The attack corpus on access tokens: one row each, refused for the reason that stands in it.

Rows come from research on what libraries let through, from RFC 8725, RFC 9068 and RFC 9700, and from
published advisories (CVE-2022-21449, CVE-2026-27962, CVE-2026-48526).
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from joserfc.jwk import ECKey, RSAKey

from tests.attack.token_lab import PUBLIC, Lab
from tests.support.tokens import Mint, b64, dumped, published, sign


class Case(NamedTuple):
    """`why` is part of what the record says; the caller gets the status and nothing of it."""

    token: Callable[[Lab], str]
    why: str
    status: int = 401
    endpoint: str | None = None


STRANGER: Final = RSAKey.generate_key(2048, private=True)
STRANGER_EC: Final = ECKey.generate_key("P-256", private=True)
P384: Final = ECKey.generate_key("P-384", private=True)
RSA, EC, ED = "k-rsa", "k-ec", "k-ed"
NOT_STRICT, NOT_BASE64 = "not strict JSON", "is not base64url"
BRINGS: Final = "brings a key, points to one"
NO_KEY, NO_FIT = "no key of the issuer has", "the signature does not fit"
NOT_FOR_US, UNREADABLE = "is not for this endpoint", "delegation asserted but unreadable"


def header(why: str, kid: str = EC, /, **more: Any) -> Case:
    return Case(lambda lab: lab.a.token(kid, more), why)


def claims(why: str, /, **more: Any) -> Case:
    return Case(lambda lab: lab.a.token(**more), why)


def raw(why: str, text: Callable[[dict[str, Any]], Any]) -> Case:
    """A payload that is written by hand, from good claims."""
    return Case(lambda lab: lab.a.signed(lab.a.header(), text(lab.a.claims())), why)


def raw_header(why: str, text: Callable[[dict[str, Any]], Any]) -> Case:
    return Case(lambda lab: lab.a.signed(text(lab.a.header()), lab.a.claims()), why)


def spelled(why: str, change: Callable[[str], str]) -> Case:
    """A good token whose text was changed."""
    return Case(lambda lab: change(lab.a.token()), why)


def by_hmac(secret: Callable[[Mint], bytes]) -> Callable[[Lab], str]:
    """HS256 with what everybody knows."""

    def made(lab: Lab) -> str:
        signed = f"{b64(dumped(lab.a.header(RSA, alg='HS256')))}.{b64(dumped(lab.a.claims()))}"
        mac = hmac.digest(secret(lab.a), signed.encode(), hashlib.sha256)
        return f"{signed}.{b64(mac)}"

    return made


def forged(key: Any, alg: str, kid: str, **more: Any) -> Callable[[Lab], str]:
    return lambda lab: sign(lab.a.header(kid) | {"alg": alg} | more, lab.a.claims(), key, alg)


def signature(change: Callable[[bytes], bytes], kid: str = EC) -> Callable[[Lab], str]:
    def made(lab: Lab) -> str:
        signed, _, last = lab.a.token(kid).rpartition(".")
        return f"{signed}.{b64(change(base64.urlsafe_b64decode(last + '==')))}"

    return made


def der(raw_signature: bytes) -> bytes:
    """As OpenSSL writes an ECDSA signature, which JWS does not."""
    parts = b""
    for half in (raw_signature[:32], raw_signature[32:]):
        number = half.lstrip(b"\0")
        number = b"\0" + number if number[0] & 0x80 else number
        parts += bytes([2, len(number)]) + number
    return bytes([0x30, len(parts)]) + parts


def deep(count: int) -> dict[str, Any]:
    made: dict[str, Any] = {"sub": "ci"}
    for _ in range(count - 1):
        made = {"sub": "ci", "act": made}
    return made


def of(name: str, why: str, kid: str = EC, /, **more: Any) -> Case:
    """Of another issuer than the usual one."""
    return Case(lambda lab: lab.mints[name].token(kid, **more), why)


def entra(why: str, /, tenant: str = "t1", **more: Any) -> Case:
    own = {"oid": "o", "sub": "o", "azp": "ci", "tid": tenant, "client_id": None}

    def made(lab: Lab) -> str:
        return lab.mints["entra"].token("e-rsa", {"typ": "JWT"}, **(own | more))

    return Case(made, why)


def now(seconds: float = 0) -> int:
    return int(time.time() + seconds)


CASES: Final[dict[str, Case]] = {
    # whose signature it is
    "alg none": Case(lambda lab: sign(lab.a.header(alg="none"), lab.a.claims(), None, ""), "no signature"),
    "alg none with a signature": header("algorithm", alg="none"),
    "alg None": header("algorithm", alg="None"),
    "alg NONE": header("algorithm", alg="NONE"),
    "alg empty": header("names no algorithm", alg=""),
    "no alg": header("names no algorithm", alg=None),
    "no signature": spelled("no signature", lambda text: text.rpartition(".")[0] + "."),
    "HS256 with the public key as JSON": Case(
        by_hmac(lambda mint: json.dumps(published(RSA, mint.keys[RSA][1])).encode()), "algorithm"
    ),
    "HS256 with the public key as PEM": Case(
        by_hmac(lambda mint: mint.keys[RSA][1].as_pem(private=False)), "algorithm"
    ),
    "HS256 with nothing": Case(by_hmac(lambda _: b""), "algorithm"),
    "another key, RS256": Case(forged(STRANGER, "RS256", RSA), NO_FIT),
    "another key, ES256": Case(forged(STRANGER_EC, "ES256", EC), NO_FIT),
    "another curve": Case(forged(P384, "ES384", EC), NO_KEY),
    "the key of another algorithm": Case(forged(STRANGER, "RS256", EC), NO_KEY),
    "PS256 says RS256": Case(
        lambda lab: lab.a.signed(lab.a.header(RSA), lab.a.claims(), RSA, "PS256"), NO_FIT
    ),
    "RS512 says RS256": Case(
        lambda lab: lab.a.signed(lab.a.header(RSA), lab.a.claims(), RSA, "RS512"), NO_FIT
    ),
    "an algorithm that this issuer may not use": of("narrow", "not one that this issuer may use"),
    "an algorithm that nobody has": header("algorithm", alg="ES256K"),
    "a signature of zeros": Case(signature(lambda one: bytes(len(one))), NO_FIT),
    "an RSA signature of zeros": Case(signature(lambda one: bytes(len(one)), RSA), NO_FIT),
    "an Ed25519 signature of zeros": Case(signature(lambda one: bytes(len(one)), ED), NO_FIT),
    "a signature in DER": Case(signature(der), NO_FIT),
    "a signature cut short": Case(signature(lambda one: one[:-1]), NO_FIT),
    "a signature made longer": Case(signature(lambda one: one + b"\0"), NO_FIT),
    "one bit of the signature": Case(signature(lambda one: bytes([one[0] ^ 1]) + one[1:]), NO_FIT),
    "claims changed": Case(
        lambda lab: ".".join(
            [
                lab.a.token().split(".")[0],
                b64(dumped(lab.a.claims(sub="root"))),
                lab.a.token().split(".")[2],
            ]
        ),
        NO_FIT,
    ),
    # keys that the token brings
    "jwk": Case(forged(STRANGER, "RS256", RSA, jwk=published(None, STRANGER)), BRINGS),
    "jwk null": raw_header(BRINGS, lambda head: head | {"jwk": None}),
    "jku": header(BRINGS, jku="https://evil.example/jwks"),
    "x5u": header(BRINGS, x5u="https://evil.example/cert"),
    "x5c": header(BRINGS, x5c=["MIIB"]),
    "crit": header(BRINGS, crit=["exp"]),
    "crit empty": header(BRINGS, crit=[]),
    "b64 false": header(BRINGS, b64=False, crit=["b64"]),
    "zip": header(BRINGS, zip="DEF"),
    "enc": header(BRINGS, enc="A128GCM"),
    # which key it names
    "kid with a path": header("kid is not one", kid="../../../dev/null"),
    "kid with SQL": header("kid is not one", kid="x' UNION SELECT 'k"),
    "kid with a command": header("kid is not one", kid="k-ec|cat"),
    "kid with NUL": header("kid is not one", kid="k-ec\0"),
    "kid empty": header("kid is not one", kid=""),
    "kid a number": header("kid is not one", kid=1),
    "kid an object": header("kid is not one", kid={"k": 1}),
    "kid too long": header("kid is not one", kid="k" * 129),
    "kid unknown": header(NO_KEY, kid="k-new"),
    "kid in capitals": header(NO_KEY, kid="K-EC"),
    "no kid, several keys": header("does not name its key", kid=None),
    "no kid, one key, another one signed": Case(
        lambda lab: sign(
            {"alg": "ES256", "typ": "at+jwt"}, lab.mints["single"].claims(), STRANGER_EC, "ES256"
        ),
        NO_FIT,
    ),
    # whose token it is
    "the same kid at another issuer": Case(lambda lab: lab.mints["b"].token(iss=lab.a.issuer), NO_FIT),
    "the other issuer's name, our key": Case(lambda lab: lab.a.token(iss=lab.mints["b"].issuer), NO_FIT),
    "an unknown issuer": claims("issuer is not configured", iss="https://evil.example"),
    "no issuer": claims("issuer is not configured", iss=None),
    "issuer with a slash": Case(lambda lab: lab.a.token(iss=lab.a.issuer + "/"), "issuer is not configured"),
    "issuer in capitals": Case(lambda lab: lab.a.token(iss=lab.a.issuer.upper()), "issuer is not configured"),
    "issuer with its port left out": claims("issuer is not configured", iss="http://127.0.0.1/a"),
    "issuer a list": Case(lambda lab: lab.a.token(iss=[lab.a.issuer]), "issuer is not configured"),
    "an issuer whose metadata names another": of("liar", "is that of another issuer")._replace(status=503),
    "an issuer that publishes nothing": of("mute", "status 404")._replace(status=503),
    "Entra, a foreign tenant": Case(
        lambda lab: lab.mints["entra"].token("e-rsa", iss=f"{lab.issuer.url}/t3/v2.0", tid="t3"),
        "issuer is not configured",
    ),
    "Entra, tid of another tenant": entra("tenant is not the one", tid="t2"),
    "Entra, no tid": entra("tenant is not the one", tid=None),
    "Entra, the template itself": Case(
        lambda lab: lab.mints["entra"].token("e-rsa", iss=f"{lab.issuer.url}/{{tenantid}}/v2.0", tid="t1"),
        "issuer is not configured",
    ),
    # what it says twice, or otherwise
    "sub twice": raw(NOT_STRICT, lambda said: json.dumps(said)[:-1] + ',"sub":"root"}'),
    "sub twice, one escaped": raw(NOT_STRICT, lambda said: json.dumps(said)[:-1] + ',"\\u0073ub":"root"}'),
    "exp twice": raw(NOT_STRICT, lambda said: json.dumps(said)[:-1] + ',"exp":4102444800}'),
    "sub in capitals beside it": claims("differ in case", Sub="root"),
    "aud in capitals only": claims("spelled like one", aud=None, AUD=f"{PUBLIC}/mcp"),
    "alg twice": raw_header(NOT_STRICT, lambda head: json.dumps(head)[:-1] + ',"alg":"none"}'),
    "alg in capitals beside it": header("differ in case", ALG="none"),
    "a payload in a list": raw("no JSON object", lambda said: [said]),
    "a payload that is text": raw("no JSON object", lambda said: json.dumps(json.dumps(said))),
    "a payload that is no JSON": raw(NOT_STRICT, lambda _: "sub=root"),
    "a payload with a byte order mark": raw(NOT_STRICT, lambda said: b"\xef\xbb\xbf" + dumped(said)),
    "a payload that is not UTF-8": raw(NOT_STRICT, lambda said: dumped(said)[:-1] + b',"x":"\xff"}'),
    "half a surrogate pair": raw(NOT_STRICT, lambda said: json.dumps(said)[:-1] + ',"x":"\\ud800"}'),
    "2,500 levels": raw(
        "nested deeper", lambda said: json.dumps(said)[:-1] + ',"x":' + "[" * 2500 + "]" * 2500 + "}"
    ),
    "nine levels": claims("nested deeper", x=[[[[[[[[1]]]]]]]]),
    "a header of 200 KB": header("longer than", pad="x" * 200_000)._replace(status=431),
    "a header beyond its kilobyte": header("header is longer", pad="x" * 1024),
    "a token beyond 8 KiB": claims("longer than", pad="x" * 8192)._replace(status=400),
    # how it is spelled
    "padding": spelled(NOT_BASE64, lambda text: text + "=="),
    "the standard alphabet": spelled(
        NOT_BASE64, lambda text: text.rpartition(".")[0] + ".+/" + text.rpartition(".")[2][2:]
    ),
    "a line end within": spelled(NOT_BASE64, lambda text: text[:40] + "\n" + text[40:]),
    "a blank within": spelled(NOT_BASE64, lambda text: text[:40] + " " + text[40:])._replace(status=400),
    "bits that hang over": spelled(NOT_BASE64, lambda text: text[:-1] + chr(ord(text[-1]) + 1)),
    "a fourth part": spelled("not active", lambda text: text + ".YQ"),
    "an encrypted token": Case(
        lambda _: b64(dumped({"alg": "RSA-OAEP", "enc": "A128GCM"})) + ".YQ.YQ.YQ.YQ", "not active"
    ),
    # when it counts
    "no exp": claims("exp is missing", exp=None),
    "expired": Case(lambda lab: lab.a.token(exp=now(-31)), "credential_expired"),
    "exp Infinity": raw(NOT_STRICT, lambda said: dumped(said | {"exp": "@"}).replace(b'"@"', b"Infinity")),
    "exp 1e300": raw("exp is missing, or is no integer", lambda said: said | {"exp": 1e300}),
    "exp with a fraction": Case(lambda lab: lab.a.token(exp=now(60) + 0.5), "no integer"),
    "exp as text": Case(lambda lab: lab.a.token(exp=str(now(60))), "no integer"),
    "exp true": claims("no integer", exp=True),
    "exp negative": claims("ten years", exp=-1),
    "exp in eleven years": Case(lambda lab: lab.a.token(exp=now(11 * 366 * 86400)), "ten years"),
    "exp in milliseconds": Case(lambda lab: lab.a.token(exp=now(60) * 1000), "ten years"),
    "not yet valid": Case(lambda lab: lab.a.token(nbf=now(60)), "not valid yet"),
    "nbf as text": claims("no integer", nbf="0"),
    "issued in the future": Case(lambda lab: lab.a.token(iat=now(60)), "in the future"),
    # for whom it is
    "no aud": claims("aud is missing", aud=None),
    "aud empty": claims(NOT_FOR_US, aud=""),
    "aud an empty list": claims("aud is missing", aud=[]),
    "aud an object": claims("aud is missing", aud={"a": f"{PUBLIC}/mcp"}),
    "aud a list of numbers": claims("no list of texts", aud=[1]),
    "aud of somebody else": claims(NOT_FOR_US, aud="https://api.example.com"),
    "aud of others": claims(NOT_FOR_US, aud=["https://api.example.com", PUBLIC]),
    "aud with a slash": claims(NOT_FOR_US, aud=f"{PUBLIC}/mcp/"),
    "aud in capitals": claims(NOT_FOR_US, aud=f"{PUBLIC}/MCP"),
    "aud with a port": claims(NOT_FOR_US, aud="https://gw.example.com:443/mcp"),
    "aud with another scheme": claims(NOT_FOR_US, aud="http://gw.example.com/mcp"),
    "aud that begins like ours": claims(NOT_FOR_US, aud=f"{PUBLIC}/mcp.evil.example"),
    "aud of another endpoint": claims(NOT_FOR_US, aud=f"{PUBLIC}/mcp/echo"),
    "aud of the aggregate at one server": Case(lambda lab: lab.a.token(), NOT_FOR_US, endpoint="echo"),
    "another issuer's audience": claims(NOT_FOR_US, aud="api-guid"),
    # who it is
    "no sub": claims("subject is missing", sub=None),
    "sub empty": claims("subject is missing", sub=""),
    "sub a number": claims("subject is missing", sub=1),
    "sub with a line end": claims("not shown", sub="anna\nroot"),
    "no client_id": claims("client is missing", client_id=None),
    "a client that no agent matches": claims("agent_unmatched", client_id="stranger")._replace(status=403),
    "a client that two agents match": claims("more than one agent", client_id="both")._replace(status=403),
    "scope an object": claims("neither text nor a list", scope={"crm:read": True}),
    "scope with a line end": claims("no scope has", scope="crm:read\ncrm:admin"),
    # tokens of other kinds
    "an ID token": Case(lambda lab: lab.a.token(head={"typ": "JWT"}), "typ is not that of an access token"),
    "an ID token with nonce": claims("ID token", nonce="n"),
    "an ID token with at_hash": claims("ID token", at_hash="x"),
    "an ID token with c_hash": claims("ID token", c_hash="x"),
    "no typ": header("typ is not that", typ=None),
    "a DPoP proof": header("typ is not that", typ="dpop+jwt"),
    "an identity assertion": header("typ is not that", typ="oauth-id-jag+jwt"),
    "a logout token": header("typ is not that", typ="logout+jwt"),
    "a client assertion": header("typ is not that", typ="client-authentication+jwt"),
    "Keycloak's ID token": Case(
        lambda lab: lab.mints["keycloak"].token(head={"typ": "JWT"}, typ="ID", azp="ci"),
        "not one of the kind",
    ),
    "Keycloak's refresh token": Case(
        lambda lab: lab.mints["keycloak"].token(head={"typ": "JWT"}, typ="Refresh", azp="ci"),
        "not one of the kind",
    ),
    "Okta's ID token": Case(lambda lab: lab.mints["okta"].token(head={"typ": None}), "client is missing"),
    "Auth0's ID token": Case(
        lambda lab: lab.mints["auth0"].token(head={"typ": "JWT"}, client_id=None), "client is missing"
    ),
    # bound to a proof that is not there
    "bound to a DPoP key": claims("bound to a proof", cnf={"jkt": b64(bytes(32))}),
    "bound to a certificate and a DPoP key": claims(
        "bound to a proof", cnf={"x5t#S256": b64(bytes(32)), "jkt": "x"}
    ),
    "bound to a certificate": claims("did not present", cnf={"x5t#S256": b64(bytes(32))}),
    "bound to a certificate, misspelled": claims("bound to a proof", cnf={"X5T#S256": b64(bytes(32))}),
    "bound to half a certificate": claims("no thumbprint", cnf={"x5t#S256": b64(bytes(16))}),
    "bound to a key": claims("bound to a proof", cnf={"jwk": {}}),
    "bound to nothing": claims("bound to a proof", cnf={}),
    "bound to text": claims("bound to a proof", cnf="x"),
    # who acts for whom
    "act is text": claims(UNREADABLE, act="agent"),
    "act is a list": claims(UNREADABLE, act=[{"sub": "a"}]),
    "act without a subject": claims(UNREADABLE, act={"iss": "x"}),
    "act with an unreadable subject": claims(UNREADABLE, act={"sub": "a\nb"}),
    "act within act is text": claims(UNREADABLE, act={"sub": "ci", "act": "x"}),
    "act within act is null": claims(UNREADABLE, act={"sub": "ci", "act": None}),
    "eleven actors": claims(UNREADABLE, act=deep(11)),
    "an actor that nobody knows": of("known", "actor_unknown", act={"sub": "x"})._replace(status=403),
    "an actor whom two agents match": claims("more than one agent", act={"sub": "both"})._replace(status=403),
    # credentials of other kinds
    "an operator's token": Case(lambda _: "dwa_" + "a" * 61, "an operator's token"),
    "a key that nobody made": Case(lambda _: "dw_live_" + "a" * 62, "its checksum does not fit"),
    "an opaque token that nobody knows": Case(lambda _: "opaque-stranger", "not active"),
}
