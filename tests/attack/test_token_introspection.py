"""Opaque tokens at the door: what their issuer says is judged as strictly as what it signs, and its silence
lets nobody in who was not known."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.attack.token_lab import PUBLIC, Lab, lab
from tests.support.issuer import Said, said

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("opaque")) as made:
        yield made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def active(**more: Any) -> dict[str, Any]:
    usual = {
        "active": True,
        "aud": f"{PUBLIC}/mcp",
        "exp": int(time.time()) + 600,
        "client_id": "ci",
        "sub": "anna",
        "token_type": "Bearer",
    }
    return {name: value for name, value in (usual | more).items() if value is not None}


def test_what_the_issuer_stands_for_gets_in_and_is_asked_about_once(stage: Lab) -> None:
    stage.issuer.active["good"] = active()
    stage.issuer.forms.clear()
    for _ in range(3):
        assert stage.post(bearer("good")).status_code == 200
    (asked,) = stage.issuer.forms
    assert (asked["token"], asked["basic"]) == ("good", "gate way:s3cret/+")
    assert stage.judge("good").method == "introspection"


JUDGED: dict[str, tuple[Any, str, int]] = {
    "not active": ({"active": False}, "not active", 401),
    "active, but not": (active(active=False), "not active", 401),
    "active as text": (active(active="true"), "whether the token is active", 503),
    "active as a number": (active(active=1), "whether the token is active", 503),
    "active twice": (b'{"active":false,"active":true}', "unreadable", 503),
    "a list": ([active()], "unreadable", 503),
    "nothing": (b"", "unreadable", 503),
    "5,000 levels": (b'{"active":true,"x":' + b"[" * 5000 + b"]" * 5000 + b"}", "unreadable", 503),
    "a megabyte": (b'{"active":true,"x":"' + b"x" * 2**20 + b'"}', "larger than", 503),
    "no aud": (active(aud=None), "aud is missing", 401),
    "another aud": (active(aud="https://else.example"), "not for this endpoint", 401),
    "aud of another endpoint": (active(aud=f"{PUBLIC}/mcp/echo"), "not for this endpoint", 401),
    "no exp": (active(exp=None), "exp is missing", 401),
    "expired": (active(exp=int(time.time()) - 100), "credential_expired", 401),
    "exp Infinity": (json.dumps(active(exp="@")).replace('"@"', "Infinity").encode(), "unreadable", 503),
    "another issuer": (active(iss="https://evil.example"), "another issuer", 401),
    "a refresh token": (active(token_type="refresh_token"), "token_type", 401),
    "a DPoP token": (active(token_type="DPoP"), "token_type", 401),
    "bound to a DPoP key": (active(cnf={"jkt": "x"}), "bound to a proof", 401),
    "bound to a certificate": (active(cnf={"x5t#S256": "A" * 43}), "did not present", 401),
    "an ID token": (active(nonce="n"), "ID token", 401),
    "a user without a subject": (active(sub=None, username="anna"), "does not identify", 401),
    "no client": (active(client_id=None), "client is missing", 401),
    "a client that no agent matches": (active(client_id="x"), "matches no agent", 403),
    "act that cannot be read": (active(act="x"), "delegation asserted but unreadable", 401),
}


@pytest.mark.parametrize("name", JUDGED)
def test_answers_that_let_nobody_in(stage: Lab, name: str) -> None:
    answer, why, status = JUDGED[name]
    token = f"opaque-{list(JUDGED).index(name)}"
    path = "/opaque/introspect"
    if isinstance(answer, bytes) or not isinstance(answer, dict):
        stage.issuer.documents[path] = said(answer)
    else:
        stage.issuer.active[token] = answer
    try:
        assert why in stage.why(token)
        assert stage.post(bearer(token)).status_code == status
    finally:
        stage.issuer.documents.pop(path, None)


BROKEN: dict[str, Said] = {
    "500": said({"active": True}, 500),
    "401: it does not know us": said({"error": "invalid_client"}, 401),
    "a redirect": said(active(), 302),
    "a page": said(b"<html>", 200, "text/html"),
    "a signed answer": said(b"eyJ.eyJ.x", 200, "application/token-introspection+jwt"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_while_the_issuer_says_nothing_strangers_stay_out_and_others_stay(stage: Lab, name: str) -> None:
    number = list(BROKEN).index(name)
    known, stranger = f"known-{number}", f"stranger-{number}"
    stage.issuer.active[known] = stage.issuer.active[stranger] = active()
    assert stage.post(bearer(known)).status_code == 200
    stage.issuer.documents["/opaque/introspect"] = BROKEN[name]
    try:
        refused = stage.post(bearer(stranger))
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "www-authenticate" not in refused.headers
        assert stage.post(bearer(known)).status_code == 200
    finally:
        stage.issuer.documents.pop("/opaque/introspect")
    assert stage.post(bearer(stranger)).status_code == 200


def test_a_slow_issuer_is_asked_once_by_everybody_together(stage: Lab) -> None:
    stage.issuer.active["slow"] = active()
    stage.issuer.forms.clear()
    stage.issuer.delay = 0.5
    try:
        with ThreadPoolExecutor(6) as crowd:
            said = list(crowd.map(lambda _: stage.post(bearer("slow")).status_code, range(6)))
    finally:
        stage.issuer.delay = 0.0
    assert said == [200] * 6
    assert [form["token"] for form in stage.issuer.forms] == ["slow"]


def test_a_stranger_who_has_keys_asked_for_holds_nobody_else(stage: Lab) -> None:
    """While the issuer takes its time over an unknown `kid`, known keys verify without it."""
    mint = stage.mints["b"]
    assert stage.why(mint.token()) == ""
    (keys,) = [one for one in _issuers(stage) if one.settings.issuer == mint.issuer]
    keys._fresh.asked_at -= 10.0  # or the question of the first token would be too young for another
    stage.issuer.delay = 3.0
    try:
        with ThreadPoolExecutor(1) as stranger:
            waiting = stranger.submit(stage.why, mint.token(head={"kid": "made-up"}))
            time.sleep(0.2)
            for number in range(5):
                assert stage.why(mint.token(jti=f"meanwhile-{number}")) == ""
            assert not waiting.done()
            assert "no key of the issuer" in waiting.result()
    finally:
        stage.issuer.delay = 0.0


def _issuers(stage: Lab) -> list[Any]:
    assert stage.process._issuers is not None
    return [*stage.process._issuers._known.values()]


def test_keys_that_change_under_load_refuse_nobody(stage: Lab) -> None:
    """The issuer publishes the next key before it signs with it, then withdraws the old one."""
    mint = stage.mints["known"]

    def calls(kid: str) -> list[str]:
        return [stage.why(mint.token(kid, jti=f"{kid}-{number}")) for number in range(25)]

    stage.issuer.publish("/known", mint.public("k-rsa"))
    stage.refresh(mint.issuer)
    with ThreadPoolExecutor(3) as crowd:
        old = crowd.submit(calls, "k-rsa")
        stage.issuer.publish("/known", mint.public("k-rsa", "k-ec"))
        stage.refresh(mint.issuer)
        new = crowd.submit(calls, "k-ec")
        assert (old.result(), new.result()) == ([""] * 25, [""] * 25)
    stage.issuer.publish("/known", mint.public("k-ec"))
    stage.refresh(mint.issuer)
    assert "no key of the issuer" in stage.why(mint.token("k-rsa", jti="k-rsa-0"))
    assert stage.why(mint.token("k-ec", jti="k-ec-0")) == ""
