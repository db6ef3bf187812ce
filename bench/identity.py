"""What it costs to know who is asking: keys and tokens that are remembered, tokens that are not, and what is
left of 100,000 of them.

The directory of a gateway with one issuer, without sockets. Prints one JSON object: microseconds of processor
time of one look (the least of several runs, as anything else on the machine only adds to it), and the
resident memory of a process through which 100,000 distinct good tokens have gone.
"""

import asyncio
import json
import resource
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from doorward.identity import keys
from doorward.identity.directory import KeyDirectory
from doorward.identity.issuer_keys import IssuerKeys
from doorward.identity.issuers import settings
from doorward.identity.match import TokenMatch
from doorward.identity.principals import Principals, Rules
from doorward.identity.tokens import CACHE_LIMIT, Tokens
from doorward.model.call import Credential
from doorward.ports.fetch import Basic, Fetched
from doorward.ports.store import KeyRecord

ISSUER, RESOURCE = "https://id.example.com/realms/bench", "https://gw.example.com/mcp"
FLOOD = 100_000
RUNS, LOOKS = 50, 400
COLD_RUNS, COLD = 7, 200
KEY = keys.mint("live")


class Ring:
    """Implements ports.SecretRing."""

    def current(self, purpose: str) -> tuple[int, bytes]:
        return 1, self.version(purpose, 1)

    def version(self, purpose: str, number: int) -> bytes:
        return b"p" * 32


class Issuer:
    """Implements ports.Fetch: publishes its keys, and signs."""

    def __init__(self) -> None:
        self._keys: dict[str, RSAKey | ECKey | OKPKey] = {
            "RS256": RSAKey.generate_key(2048, private=True),
            "ES256": ECKey.generate_key("P-256", private=True),
        }
        self._number = 0

    async def get(self, url: str, *, most: int, ca: str | None = None) -> Fetched:
        published = [{"kid": alg, **key.as_dict(private=False)} for alg, key in self._keys.items()]
        return Fetched(200, json.dumps({"keys": published}).encode(), "application/json")

    async def post(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        most: int,
        ca: str | None = None,
        basic: Basic | None = None,
    ) -> Fetched:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""

    def token(self, alg: str, **said: Any) -> str:
        """A new one, as an identity provider writes them for a person, with what else is `said`."""
        self._number += 1
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": f"248289761{self._number:09}",
            "aud": [RESOURCE],
            "exp": now + 3600,
            "iat": now,
            "nbf": now,
            "jti": f"{self._number:032x}",
            "client_id": "bench",
            "scope": "crm:read crm:write files:read",
            "groups": ["engineering", "on-call", "everybody"],
            "sid": f"s{self._number}",
        } | said
        signed = f"{_coded({'alg': alg, 'kid': alg, 'typ': 'at+jwt'})}.{_coded(claims)}"
        signature = JWSRegistry.algorithms[alg].sign(signed.encode(), self._keys[alg])
        return f"{signed}.{_base64(signature)}"


def _coded(value: Any) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


async def directory(issuer: Issuer) -> tuple[KeyDirectory, Tokens]:
    known = IssuerKeys(settings(ISSUER, jwks_uri=f"{ISSUER}/keys"), issuer, lambda: None)
    await known.refresh()
    rules = Rules((TokenMatch("agent", ISSUER, "bench"),))
    tokens = Tokens([known], issuer, Principals(rules), lambda _: RESOURCE)
    made = KeyDirectory(mode="keys", ring=Ring(), agents=frozenset({"agent"}), tokens=tokens)
    made.replace(
        [
            KeyRecord(
                id=KEY.id,
                name="bench",
                agent="agent",
                environment="live",
                digest=keys.digest(b"p" * 32, KEY.secret),
                pepper_version=1,
                created_at=0.0,
                created_by="bench",
                expires_at=None,
                revoked_at=None,
            )
        ]
    )
    return made, tokens


def shown(secret: str) -> Credential:
    return Credential(secret, "192.0.2.1", local=False, proxied=False)


def least(look: Callable[[], object], looks: int) -> float:
    """Microseconds of one look."""
    best = float("inf")
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(looks):
            look()
        best = min(best, (time.process_time() - began) / looks)
    return best * 1e6


def cold(made: KeyDirectory, tokens: Tokens, secrets: list[str]) -> float:
    """Microseconds for a token that nobody has seen."""
    best = float("inf")
    for _ in range(COLD_RUNS):
        tokens.forget()
        began = time.process_time()
        for secret in secrets:
            made.identify(shown(secret))
        best = min(best, (time.process_time() - began) / len(secrets))
    return best * 1e6


def resident_mb() -> float:
    """Now, not at most."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - of the process itself
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


async def main() -> None:
    issuer = Issuer()
    made, tokens = await directory(issuer)
    token = issuer.token("RS256")
    key = KEY.text
    same_key, same_token = shown(key), shown(token)
    told = {
        "key_us": least(lambda: made.identify(shown(key)), LOOKS),
        "key_again_us": least(lambda: made.identify(same_key), LOOKS),
        "token_us": least(lambda: made.identify(shown(token)), LOOKS),
        "token_again_us": least(lambda: made.identify(same_token), LOOKS),
    }
    for alg in ("RS256", "ES256"):
        told[f"{alg.lower()}_us"] = cold(made, tokens, [issuer.token(alg) for _ in range(COLD)])
    tokens.forget()
    full = 0.0
    for number in range(FLOOD):
        found = made.identify(shown(issuer.token("ES256")))
        assert found is not None
        assert found.agent == "agent"
        if not number % 1000:
            made.confirm()
        if number == 2 * CACHE_LIMIT:
            full = resident_mb()
    told |= {"rss_mb": resident_mb(), "grown_mb": resident_mb() - full}
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
