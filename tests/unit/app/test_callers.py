import json
from pathlib import Path
from typing import Any

import pytest

from doorward.app.callers import certificate_matches, directory, teams_of
from doorward.config.load import Loaded, load
from doorward.identity.directory import ANONYMOUS
from doorward.identity.match import CertificateMatch
from doorward.model.call import Credential
from doorward.model.errors import CallerError
from tests.unit.identity.test_directory import Ring

ISSUER = {"issuer": "https://id.example.com"}
PUBLIC = {"public_url": "https://gw.example.com"}


def loaded(folder: Path, auth: Any, gateway: dict[str, Any] | None = None, **more: Any) -> Loaded:
    file = folder / "doorward.yaml"
    file.write_text(json.dumps({"version": 1, "auth": auth, "gateway": gateway or {}, "servers": {}} | more))
    return load(file)


def nobody(secret: str | None, *, local: bool = False) -> Credential:
    return Credential(secret, "127.0.0.1" if local else "192.0.2.1", local=local, proxied=False)


def why(made: Any, given: Credential) -> str:
    made.replace([])
    with pytest.raises(CallerError) as caught:
        made.identify(given)
    return caught.value.message


def test_without_authentication_there_is_one_caller(tmp_path: Path) -> None:
    made = directory(loaded(tmp_path, "none"), Ring(), None)
    assert made.identify(nobody(None, local=True)) is ANONYMOUS


def test_only_what_is_configured_is_accepted(tmp_path: Path) -> None:
    keys = directory(loaded(tmp_path, {"keys": True}), Ring(), None)
    assert why(keys, nobody(None)) == "this gateway needs a key, and none was presented"
    assert "not a Doorward key" in why(keys, nobody("token"))
    both = {"keys": True, "certificates": True}
    tls = {"tls": {"cert": "c.pem", "key": "k.pem", "client_ca": "ca.pem"}} | PUBLIC
    made = directory(loaded(tmp_path, both, tls), Ring(), None)
    assert "a key or a client certificate" in why(made, nobody(None))


def test_issuers_need_something_to_verify_tokens_with(tmp_path: Path) -> None:
    file = loaded(tmp_path, {"issuers": [ISSUER]}, PUBLIC)
    with pytest.raises(ValueError, match=r"auth\.issuers"):
        directory(file, Ring(), None)
    asked = []

    class Tokens:
        def identify(self, credential: Credential, endpoint: str | None) -> None:
            asked.append(credential.secret)

    made = directory(file, Ring(), lambda given: Tokens() if given is file else None)  # type: ignore[arg-type,return-value]
    made.replace([])
    assert made.identify(nobody("token")) is None
    assert asked == ["token"]
    assert "auth.keys" in why(made, nobody("dw_live_x"))


def test_how_long_the_store_may_be_missed_is_configured(tmp_path: Path) -> None:
    auth = {"keys": True, "stale_after": "5s"}
    assert directory(loaded(tmp_path, auth), Ring(), None)._stale_after == 5.0


def test_certificates_and_teams_are_those_of_the_agents(tmp_path: Path) -> None:
    tls = {"tls": {"cert": "c.pem", "key": "k.pem", "client_ca": "ca.pem"}} | PUBLIC
    agents = {
        "ci": {
            "team": "platform",
            "match": [{"certificate": {"uri": "spiffe://td/*"}}, {"certificate": {"dns": "ci.example.com"}}],
        },
        "cd": {"match": [{"certificate": {"sha256": "ab" * 32}}]},
        "other": {},
    }
    settings = loaded(tmp_path, {"certificates": True}, tls, agents=agents).settings
    assert certificate_matches(settings) == (
        CertificateMatch("ci", uri="spiffe://td/*"),
        CertificateMatch("ci", dns="ci.example.com"),
        CertificateMatch("cd", sha256="ab" * 32),
    )
    assert teams_of(settings) == {"ci": "platform"}
