"""Whoever is blocked comes back in every way: with what was proven before, or in another name."""

import asyncio
import secrets
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace

from doorward.audit.records import Actor
from doorward.control.blocks import LIFTED, PLACED
from doorward.control.changes import change_record
from doorward.ports.store import BlockRecord
from tests.attack.token_lab import ACCEPT, HELLO, Lab, lab

ACTOR = Actor("anna", "test")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("blocked")) as made:
        yield made


def looked(stage: Lab) -> None:
    asking = stage.process._watch.applied()
    asyncio.run_coroutine_threadsafe(asking, stage.loop).result(30)


@contextmanager
def blocked(stage: Lab, kind: str, value: str, ttl: float | None = None, **more: Any) -> Iterator[None]:
    now = time.time()
    ends = None if ttl is None else now + ttl
    block = BlockRecord(
        id="bl_" + secrets.token_hex(6),
        kind=kind,
        value=value,
        reason="",
        created_at=now,
        created_by="anna",
        expires_at=ends,
        **more,
    )
    stage.process._store.add_block(block, change_record(PLACED, "b", ACTOR, now))
    looked(stage)
    try:
        yield
    finally:
        lifted = replace(block, lifted_at=time.time())
        assert stage.process._store.change_block(lifted, change_record(LIFTED, "b", ACTOR, now))
        looked(stage)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def status(stage: Lab, token: str, path: str = "/mcp") -> int:
    return stage.post(bearer(token), path).status_code


def test_what_was_proven_before_is_judged_again_and_not_verified_again(stage: Lab) -> None:
    token = stage.a.token(jti="cached", sid="login")
    assert status(stage, token) == 200
    tokens = stage.process.world.directory._tokens
    assert tokens is not None
    known = len(tokens._proven)  # type: ignore[attr-defined]
    for kind, value, code in (("jti", "cached", 401), ("sid", "login", 401), ("client", "ci", 403)):
        with blocked(stage, kind, value):
            for _ in range(3):
                assert status(stage, token) == code
            assert len(tokens._proven) == known  # type: ignore[attr-defined]
        assert status(stage, token) == 200


def test_an_opaque_token_is_not_asked_about_again_to_be_refused(stage: Lab) -> None:
    mint, path = stage.mints["opaque"], "/opaque/introspect"
    stage.issuer.active["opaque-token-of-ci"] = {"active": True, **mint.claims(jti="o-1", sid="o-login")}
    assert status(stage, "opaque-token-of-ci") == 200
    asked = stage.issuer.asked[path]
    with blocked(stage, "sid", "o-login", issuer=mint.issuer):
        assert status(stage, "opaque-token-of-ci") == 401
    assert status(stage, "opaque-token-of-ci") == 200
    assert stage.issuer.asked[path] == asked


def test_a_connection_that_goes_on_is_refused_with_its_next_request(stage: Lab) -> None:
    token = stage.a.token(jti="kept")

    context = ssl.create_default_context(cadata=stage.authority.pem.decode())
    with httpx2.Client(verify=context, trust_env=False, timeout=30) as http:

        def ask() -> int:
            return http.post(f"{stage.url}/mcp", json=HELLO, headers={**ACCEPT, **bearer(token)}).status_code

        before = ask()
        with blocked(stage, "agent", "ci"):
            assert ask() == 403
        assert ask() == before == 200


@pytest.mark.parametrize(
    ("kind", "value"),
    [("client", "mid"), ("user", "mid"), ("client", "far"), ("user", "near"), ("agent", "ci")],
)
def test_nobody_hides_behind_others(stage: Lab, kind: str, value: str) -> None:
    """Blocked in the middle of a chain, at its end, or as the one who comes."""
    far = {"sub": "far", "client_id": "far"}
    act = {"sub": "near", "client_id": "near", "act": {"sub": "mid", "client_id": "mid", "act": far}}
    token = stage.a.token(sub="anna", act=act)
    assert status(stage, token) == 200
    with blocked(stage, kind, value):
        assert status(stage, token) == 403
    assert status(stage, token) == 200


def test_another_issuers_user_of_that_name_goes_on_and_a_new_token_does_not_help(stage: Lab) -> None:
    mine, other = stage.a, stage.mints["b"]
    with blocked(stage, "client", "ci", issuer=mine.issuer):
        assert status(stage, mine.token(jti="new-1")) == 403
        assert status(stage, mine.token(jti="new-2", exp=int(time.time()) + 60)) == 403
        assert status(stage, other.token()) == 200


def test_a_block_of_all_issuers_holds_for_each(stage: Lab) -> None:
    with blocked(stage, "client", "ci"):
        assert status(stage, stage.a.token()) == status(stage, stage.mints["b"].token()) == 403


def test_the_caller_learns_nothing_about_why(stage: Lab) -> None:
    token = stage.a.token(jti="told", sid="told")
    with blocked(stage, "sid", "told"):
        revoked = stage.post(bearer(token))
    made_up = stage.post(bearer(token[:-4] + "AAAA"))
    assert revoked.content == made_up.content
    assert revoked.headers["www-authenticate"] == made_up.headers["www-authenticate"]


def test_a_block_that_ends_by_itself_needs_nobody(stage: Lab) -> None:
    token = stage.a.token(jti="short", sid="short")
    with blocked(stage, "sid", "short", ttl=1.5):
        assert status(stage, token) == 401
        until = time.monotonic() + 15
        while status(stage, token) != 200:
            assert time.monotonic() < until
            time.sleep(0.05)
