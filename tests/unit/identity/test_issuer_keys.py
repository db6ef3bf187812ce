import asyncio

import pytest

from doorward.identity.freshness import REFRESH_S
from doorward.identity.issuer_keys import IssuerKeys
from doorward.identity.issuers import IntrospectionSettings, IssuerSettings, settings
from doorward.ports.fetch import Fetched, FetchFailed
from tests.support.tokens import Mint
from tests.unit.identity.fetching import FakeFetch, json_of

ISSUER = "https://id.example.com/x"
MINT = Mint(ISSUER, "aud")
RFC8414 = "https://id.example.com/.well-known/oauth-authorization-server/x"
OPENID = "https://id.example.com/.well-known/openid-configuration/x"
APPENDED = f"{ISSUER}/.well-known/openid-configuration"
KEYS = f"{ISSUER}/keys"


class Stage:
    """One issuer, and a clock in hand."""

    def __init__(self, wanted: IssuerSettings | None = None) -> None:
        self.now = 0.0
        self.fetch = FakeFetch()
        self.fetch.documents = {RFC8414: json_of(self.said()), KEYS: json_of(MINT.public())}
        self.lost = 0
        self.keys = IssuerKeys(wanted or settings(ISSUER), self.fetch, self._lost, lambda: self.now)

    @staticmethod
    def said(**more: str) -> dict[str, str]:
        return {"issuer": ISSUER, "jwks_uri": KEYS, "introspection_endpoint": f"{ISSUER}/i"} | more

    def _lost(self) -> None:
        self.lost += 1

    def kids(self) -> set[str | None]:
        found = self.keys.usable()
        return set() if found is None else set(found.keys)


@pytest.mark.asyncio
async def test_keys_come_from_where_the_metadata_says() -> None:
    stage = Stage()
    assert stage.keys.usable() is None
    await stage.keys.refresh()
    assert stage.kids() == {"k-rsa", "k-ec", "k-ed"}
    assert stage.fetch.asked == {RFC8414: 1, KEYS: 1}
    assert stage.keys.failure is None


@pytest.mark.asyncio
@pytest.mark.parametrize("where", [OPENID, APPENDED])
async def test_metadata_may_be_at_either_other_place(where: str) -> None:
    stage = Stage()
    stage.fetch.documents[where] = stage.fetch.documents.pop(RFC8414)
    await stage.keys.refresh()
    assert stage.kids()


@pytest.mark.asyncio
async def test_a_configured_place_of_keys_needs_no_metadata() -> None:
    stage = Stage(settings(ISSUER, jwks_uri=KEYS))
    await stage.keys.refresh()
    assert stage.fetch.asked == {KEYS: 1}
    assert stage.kids()


BROKEN: dict[str, tuple[str, Fetched | Exception, str]] = {
    "metadata of another issuer": (RFC8414, json_of(Stage.said(issuer=ISSUER + "/")), "another issuer"),
    "metadata that is a page": (RFC8414, Fetched(200, b"<html>", "text/html"), "not strict JSON"),
    "no metadata": (RFC8414, json_of({}, 404), "status 404"),
    "metadata without keys": (RFC8414, json_of({"issuer": ISSUER}), "names no keys"),
    "metadata that sends us elsewhere": (RFC8414, json_of(Stage.said(jwks_uri="http://x/keys")), "jwks_uri"),
    "metadata too large": (RFC8414, Fetched(200, b" " * 70_000, "application/json"), "larger"),
    "keys unreachable": (KEYS, FetchFailed("it cannot be asked"), "it cannot be asked"),
    "keys redirected": (KEYS, json_of({}, 302), "status 302"),
    "keys that are none": (KEYS, json_of({"error": "x"}), "no list of keys"),
    "keys too large": (KEYS, Fetched(200, b" " * 300_000, "application/json"), "larger"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize(("url", "answer", "why"), BROKEN.values(), ids=BROKEN)
async def test_what_cannot_be_believed_changes_nothing(
    url: str, answer: Fetched | Exception, why: str
) -> None:
    stage = Stage()
    good = dict(stage.fetch.documents)
    stage.fetch.documents[url] = answer
    await stage.keys.refresh()
    assert why in (stage.keys.failure or "")
    assert stage.keys.usable() is None

    stage.fetch.documents = good
    await stage.keys.refresh()
    before = stage.keys.usable()
    stage.fetch.documents = good | {url: answer}
    await stage.keys.refresh()
    assert stage.keys.usable() is before is not None
    assert stage.lost == 0


@pytest.mark.asyncio
async def test_a_key_that_is_gone_is_told_once() -> None:
    stage = Stage()
    await stage.keys.refresh()
    stage.fetch.documents[KEYS] = json_of(MINT.public("k-ec"))
    await stage.keys.refresh()
    await stage.keys.refresh()
    assert stage.lost == 1
    assert stage.kids() == {"k-ec"}


@pytest.mark.asyncio
async def test_who_asks_at_once_asks_together() -> None:
    stage = Stage()
    stage.fetch.gate = asyncio.Event()
    waiting = [asyncio.create_task(stage.keys.refresh()) for _ in range(5)]
    await asyncio.sleep(0)
    assert stage.keys.may_ask()
    waiting[0].cancel()
    await asyncio.sleep(0)
    stage.fetch.gate.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    assert ended[1:] == [None] * 4
    assert stage.fetch.asked[KEYS] == 1
    assert stage.kids()
    assert not stage.keys.may_ask()
    stage.now = 10.0
    assert stage.keys.may_ask()


@pytest.mark.asyncio
async def test_an_issuer_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.identity.issuer_keys.PATIENCE_S", 0.01)
    stage = Stage()
    stage.fetch.gate = asyncio.Event()
    await stage.keys.refresh()
    assert stage.keys.failure == "the issuer did not answer in time"


@pytest.mark.asyncio
async def test_the_background_asks_when_it_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        stage.now += seconds
        await real(0)

    monkeypatch.setattr("doorward.identity.issuer_keys.asyncio.sleep", sleep)
    running = asyncio.create_task(stage.keys.run())
    while len(slept) < 3:
        await real(0)
    running.cancel()
    assert slept[:3] == [REFRESH_S] * 3
    assert stage.fetch.asked[KEYS] >= 3


@pytest.mark.asyncio
async def test_where_to_introspect_is_configured_or_in_recent_metadata() -> None:
    asked = IntrospectionSettings("id", "secret", "https://else.example/i")
    assert await Stage(settings(ISSUER, introspection=asked)).keys.introspection_endpoint() == asked.endpoint
    stage = Stage(settings(ISSUER, introspection=IntrospectionSettings("id", "secret")))
    for _ in range(3):
        assert await stage.keys.introspection_endpoint() == f"{ISSUER}/i"
    assert stage.fetch.asked[RFC8414] == 1
    stage.now = REFRESH_S
    await stage.keys.introspection_endpoint()
    assert stage.fetch.asked[RFC8414] == 2


@pytest.mark.asyncio
async def test_an_issuer_without_introspection_cannot_be_asked() -> None:
    stage = Stage(settings(ISSUER, introspection=IntrospectionSettings("id", "secret")))
    stage.fetch.documents[RFC8414] = json_of({"issuer": ISSUER, "jwks_uri": KEYS})
    with pytest.raises(FetchFailed, match="names no introspection endpoint"):
        await stage.keys.introspection_endpoint()


@pytest.mark.asyncio
async def test_a_template_is_found_under_what_all_its_tenants_share() -> None:
    issuer = "https://login.example.com/{tenantid}/v2.0"
    stage = Stage(settings(issuer, "entra", tenants=("t1",)))
    common = "https://login.example.com/common/v2.0/.well-known/openid-configuration"
    stage.fetch.documents[common] = json_of({"issuer": issuer, "jwks_uri": KEYS})
    await stage.keys.refresh()
    assert stage.kids()
