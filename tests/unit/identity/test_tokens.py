import asyncio
import time
from typing import Any

import pytest

from doorward.identity.issuer_keys import IssuerKeys
from doorward.identity.issuers import IntrospectionSettings, settings
from doorward.identity.match import TokenMatch
from doorward.identity.principals import Principals, Rules
from doorward.identity.proven import Proven
from doorward.identity.questions import Questions
from doorward.identity.tokens import CACHE_LIMIT, VERIFIED_S, Tokens
from doorward.model.call import Credential
from doorward.model.errors import DoorwardError
from doorward.model.reasons import Reason
from doorward.ports.fetch import FetchFailed
from tests.support.tokens import Mint
from tests.unit.identity.fetching import FakeFetch, json_of

A, B = "https://a.example", "https://b.example"
MINTS = {A: Mint(A, "https://gw/mcp"), B: Mint(B, "https://gw/mcp")}


class Stage:
    """Two issuers, each with signed and opaque tokens, and the clock in hand."""

    def __init__(self, *, introspection: bool = True, cache: float = 60.0) -> None:
        self.now = time.time()
        self.fetch = FakeFetch()
        self.issuers = []
        for name in (A, B):
            asked = IntrospectionSettings("me", "s", f"{name}/i", cache=cache) if introspection else None
            own = settings(name, jwks_uri=f"{name}/keys", introspection=asked)
            self.issuers.append(IssuerKeys(own, self.fetch, lambda: None, self.clock))
            self.fetch.documents[f"{name}/keys"] = json_of(MINTS[name].public())
            self.fetch.documents[f"{name}/i"] = json_of({"active": False})
        rules = Rules(tuple(TokenMatch("ci", name, "ci") for name in (A, B)))
        self.tokens = Tokens(
            self.issuers,
            self.fetch,
            Principals(rules),
            lambda endpoint: "https://gw/mcp" + (f"/{endpoint}" if endpoint else ""),
            clock=self.clock,
        )

    @property
    def asking(self) -> Questions:
        return self.tokens._questions

    def clock(self) -> float:
        return self.now

    def active(self, name: str = A, **more: Any) -> None:
        usual = {"active": True, "aud": "https://gw/mcp", "client_id": "ci", "exp": int(self.now) + 600}
        self.fetch.documents[f"{name}/i"] = json_of(usual | more)

    def questions(self) -> int:
        return sum(self.fetch.asked[f"{name}/i"] for name in (A, B))


def shown(token: str, peer: str = "192.0.2.1") -> Credential:
    return Credential(token, peer, local=False, proxied=False)


async def settle(stage: Stage, token: str, endpoint: str | None = None, peer: str = "192.0.2.1") -> Proven:
    """As the directory does it."""
    found = stage.tokens.identify(shown(token, peer), endpoint)
    return await stage.tokens.ask(shown(token, peer), endpoint) if found is None else found


async def refusal(stage: Stage, token: str, endpoint: str | None = None, peer: str = "192.0.2.1") -> Any:
    with pytest.raises(DoorwardError) as caught:
        await settle(stage, token, endpoint, peer)
    return caught.value


@pytest.mark.asyncio
async def test_the_first_token_waits_for_keys_and_the_next_one_for_nothing() -> None:
    stage = Stage()
    token = MINTS[A].token()
    assert stage.tokens.identify(shown(token), None) is None
    proven = await stage.tokens.ask(shown(token), None)
    assert proven.principal.issuer == A
    assert stage.tokens.identify(shown(token), None) is proven
    other = MINTS[A].token("k-rsa")
    assert stage.tokens.identify(shown(other), None) is not None
    assert stage.fetch.asked == {f"{A}/keys": 1}


@pytest.mark.asyncio
async def test_what_is_remembered_counts_at_its_endpoint_only() -> None:
    stage = Stage()
    token = MINTS[A].token()
    await settle(stage, token)
    assert "aud" in (await refusal(stage, token, "crm")).message
    at_crm = MINTS[A].token(aud="https://gw/mcp/crm")
    assert await settle(stage, at_crm, "crm")
    assert "aud" in (await refusal(stage, at_crm)).message


@pytest.mark.asyncio
async def test_an_unknown_key_causes_one_question_in_ten_seconds() -> None:
    stage = Stage()
    await settle(stage, MINTS[A].token())
    stage.now += 10
    for number in range(50):
        error = await refusal(stage, MINTS[A].token(head={"kid": f"made-up-{number}"}))
        assert error.reason is Reason.CREDENTIAL_INVALID
    assert stage.fetch.asked[f"{A}/keys"] == 2
    assert stage.fetch.asked[f"{B}/keys"] == 0


@pytest.mark.asyncio
async def test_a_new_key_counts_as_soon_as_it_is_asked_for() -> None:
    stage = Stage()
    await settle(stage, MINTS[A].token())
    fresh = Mint(A, "https://gw/mcp", kids="new")
    stage.fetch.documents[f"{A}/keys"] = json_of(fresh.public())
    assert (await refusal(stage, fresh.token())).reason is Reason.CREDENTIAL_INVALID
    stage.now += 10
    assert (await settle(stage, fresh.token())).principal.subject == "ci"


@pytest.mark.asyncio
async def test_without_keys_nobody_gets_in_and_nobody_is_called_wrong() -> None:
    stage = Stage()
    stage.fetch.documents[f"{A}/keys"] = FetchFailed("down")
    error = await refusal(stage, MINTS[A].token())
    assert error.reason is Reason.IDENTITY_UNAVAILABLE
    assert "down" in error.message
    assert (await refusal(stage, MINTS[A].token())).reason is Reason.IDENTITY_UNAVAILABLE
    assert stage.fetch.asked[f"{A}/keys"] == 1
    assert await settle(stage, MINTS[B].token())


@pytest.mark.asyncio
async def test_a_signature_is_looked_at_again_after_five_minutes() -> None:
    stage = Stage()
    token = MINTS[A].token(exp=int(stage.now) + 3600)
    await settle(stage, token)
    stage.fetch.documents[f"{A}/keys"] = json_of(MINTS[A].public("k-rsa"))
    stage.now += VERIFIED_S - 1
    await stage.issuers[0].refresh()
    assert stage.tokens.identify(shown(token), None)
    stage.now += 1
    assert (await refusal(stage, token)).reason is Reason.CREDENTIAL_INVALID


@pytest.mark.asyncio
async def test_forgetting_verifies_everything_again() -> None:
    stage = Stage()
    token = MINTS[A].token()
    before = await settle(stage, token)
    stage.tokens.forget()
    after = await settle(stage, token)
    assert after is not before
    assert after.principal == before.principal


@pytest.mark.asyncio
async def test_a_remembered_token_expires_when_it_says() -> None:
    stage = Stage()
    token = MINTS[A].token(exp=int(stage.now) + 10)
    await settle(stage, token)
    stage.now = int(stage.now) + 39.9
    assert stage.tokens.identify(shown(token), None)
    stage.now += 0.1
    assert (await refusal(stage, token)).reason is Reason.CREDENTIAL_EXPIRED


@pytest.mark.asyncio
async def test_an_opaque_token_is_asked_about_once_for_a_minute() -> None:
    stage = Stage()
    stage.active(sub="anna", scope="a")
    found = await settle(stage, "opaque")
    assert (found.principal.method, found.principal.subject, found.principal.issuer) == (
        "introspection",
        "anna",
        A,
    )
    stage.now += 59.9
    assert stage.tokens.identify(shown("opaque"), None) is found
    stage.fetch.documents[f"{A}/i"] = json_of({"active": False})
    stage.now += 0.1
    assert (await refusal(stage, "opaque")).reason is Reason.CREDENTIAL_INVALID
    assert stage.fetch.posted[0][0]["token"] == "opaque"


@pytest.mark.asyncio
async def test_who_is_refused_is_not_asked_about_again_for_ten_seconds() -> None:
    stage = Stage()
    for _ in range(5):
        assert (await refusal(stage, "stranger")).reason is Reason.CREDENTIAL_INVALID
    assert stage.questions() == 2  # one for each issuer
    stage.active(B)
    stage.now += 10
    assert (await settle(stage, "stranger")).principal.issuer == B


@pytest.mark.asyncio
@pytest.mark.parametrize("cache", [1.0, 60.0, 300.0])
async def test_what_is_revoked_works_no_longer_than_an_answer_counts(cache: float) -> None:
    stage = Stage(cache=cache)
    stage.active()
    known = await settle(stage, "opaque")
    stage.fetch.documents[f"{A}/i"] = json_of({"active": False})
    stage.now += cache - 0.1
    assert await settle(stage, "opaque") is known
    stage.now += 0.2
    assert (await refusal(stage, "opaque")).reason is Reason.CREDENTIAL_INVALID


@pytest.mark.asyncio
async def test_while_the_issuer_is_down_who_was_known_stays_known_for_a_minute() -> None:
    stage = Stage()
    stage.active()
    known = await settle(stage, "opaque")
    stage.fetch.documents[f"{A}/i"] = stage.fetch.documents[f"{B}/i"] = FetchFailed("down")
    assert (await refusal(stage, "stranger")).reason is Reason.IDENTITY_UNAVAILABLE
    stage.now += 60
    asked = stage.questions()
    assert await settle(stage, "opaque") is known
    assert stage.tokens.identify(shown("opaque"), None) is known  # and the issuer has some peace
    assert stage.questions() == asked + 2
    stage.now += 59.9
    assert await settle(stage, "opaque") is known
    stage.now += 0.2
    assert (await refusal(stage, "opaque")).reason is Reason.IDENTITY_UNAVAILABLE


@pytest.mark.asyncio
async def test_nobody_is_kept_beyond_its_own_time() -> None:
    stage = Stage()
    stage.active(exp=int(stage.now) + 40)
    await settle(stage, "opaque")
    stage.fetch.documents[f"{A}/i"] = stage.fetch.documents[f"{B}/i"] = FetchFailed("down")
    stage.now += 75
    assert (await refusal(stage, "opaque")).reason is Reason.IDENTITY_UNAVAILABLE


@pytest.mark.asyncio
async def test_one_issuer_being_down_leaves_it_open_whose_token_it_is() -> None:
    stage = Stage()
    stage.fetch.documents[f"{B}/i"] = FetchFailed("down")
    assert (await refusal(stage, "stranger")).reason is Reason.IDENTITY_UNAVAILABLE
    stage.active(A)
    assert (await settle(stage, "mine")).principal.issuer == A


@pytest.mark.asyncio
async def test_who_asks_at_once_asks_together_and_leaves_alone() -> None:
    stage = Stage()
    stage.active()
    stage.fetch.gate = asyncio.Event()
    waiting = [asyncio.create_task(settle(stage, "opaque")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    stage.fetch.gate.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    assert len({id(one) for one in ended[1:]}) == 1
    assert stage.questions() == 1
    assert (stage.asking._asking, stage.asking._askers) == ({}, {})


@pytest.mark.asyncio
async def test_strangers_cannot_keep_the_issuer_busy() -> None:
    stage = Stage()
    stage.fetch.gate = asyncio.Event()
    crowd = [asyncio.create_task(refusal(stage, f"x{number}", peer="203.0.113.9")) for number in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(stage.asking._asking) == 8
    others = [asyncio.create_task(refusal(stage, f"y{n}", peer=f"198.51.100.{n}")) for n in range(100)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(stage.asking._asking) == 64
    stage.fetch.gate.set()
    reasons = [error.reason for error in await asyncio.gather(*crowd, *others)]
    assert reasons.count(Reason.IDENTITY_UNAVAILABLE) == 12 + 44
    assert (stage.asking._asking, stage.asking._askers) == ({}, {})


@pytest.mark.asyncio
async def test_closing_answers_who_waits() -> None:
    stage = Stage()
    stage.fetch.gate = asyncio.Event()
    waiting = asyncio.create_task(refusal(stage, "opaque"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await stage.tokens.close()
    assert (await waiting).reason is Reason.IDENTITY_UNAVAILABLE


@pytest.mark.asyncio
async def test_without_anybody_to_ask_an_opaque_token_is_none() -> None:
    stage = Stage(introspection=False)
    error = await refusal(stage, "opaque")
    assert error.reason is Reason.CREDENTIAL_INVALID
    assert stage.questions() == 0
    for token in ("", "a b", "a" * 9000, "\ud800", "\u00e9"):
        assert (await refusal(Stage(), token)).reason is Reason.CREDENTIAL_INVALID


@pytest.mark.asyncio
async def test_memory_is_bounded_whoever_comes() -> None:
    stage = Stage()
    stage.active()
    for number in range(CACHE_LIMIT + 500):
        await settle(stage, f"mine{number}")
    stage.fetch.documents[f"{A}/i"] = json_of({"active": False})
    for number in range(CACHE_LIMIT + 500):
        await refusal(stage, f"stranger{number}")
    assert len(stage.tokens._proven) <= CACHE_LIMIT
    assert len(stage.asking._refused) <= CACHE_LIMIT


@pytest.mark.asyncio
async def test_no_token_is_in_memory() -> None:
    stage = Stage()
    stage.active()
    await settle(stage, "CANARY")
    assert all(b"CANARY" not in key for key in stage.tokens._proven._young)
    assert all(len(key) == 32 for key in stage.tokens._proven._young)


@pytest.mark.asyncio
async def test_an_agent_nobody_matches_is_remembered_as_refused() -> None:
    stage = Stage()
    stage.active(client_id="other")
    assert (await refusal(stage, "opaque")).reason is Reason.AGENT_UNMATCHED
    assert (await refusal(stage, "opaque")).reason is Reason.AGENT_UNMATCHED
    assert stage.fetch.asked[f"{A}/i"] == 1


@pytest.mark.asyncio
async def test_what_one_issuer_stands_for_no_other_gets_to_see() -> None:
    stage = Stage()
    for number, more in enumerate(({"client_id": "other"}, {"aud": "x"}, {"exp": int(stage.now) - 60}, {})):
        stage.active(A, **more)
        if more:
            await refusal(stage, f"tok{number}")
        else:
            assert await settle(stage, f"tok{number}")
    assert stage.fetch.asked[f"{B}/i"] == 0
    stage.fetch.documents[f"{A}/i"] = FetchFailed("down")
    stage.active(B, client_id="other")
    assert (await refusal(stage, "theirs")).reason is Reason.AGENT_UNMATCHED


def test_no_token_at_one_endpoint_is_another_one_elsewhere() -> None:
    tokens = Stage().tokens
    spelled = [("x", None), ("x", "crm"), ("crm\0x", None), ("x\0crm", None), ("\0x", None), ("", "x")]
    assert len({tokens._digest(token, endpoint) for token, endpoint in spelled}) == len(spelled)
