"""Whom a configuration knows, and whether another one knows the same."""

from pathlib import Path

import pytest

from doorward.app.recognised import recognised, same_callers
from doorward.config.load import load
from doorward.config.settings import Settings
from doorward.model.principal import Principal

TEXT = """\
version: 1
gateway: {{listen: "127.0.0.1:0", public_url: "{url}"}}
auth: {auth}
agents:
  one: {{match: [{{issuer: "https://id.example.com", client_id: {client}}}]}}
  two: {{see_rules: {rules}}}
people: [{{issuer: "https://id.example.com", sub: {person}, servers: ["*"], tools: {{allow: ["*"]}}}}]
"""
AUTH = '{keys: true, issuers: [{issuer: "https://id.example.com"}]}'


def settings(folder: Path, **said: str) -> Settings:
    path = folder / "doorward.yaml"
    usual = {
        "auth": AUTH,
        "client": "app",
        "person": "anna",
        "rules": "false",
        "url": "https://gw.example.com",
    }
    path.write_text(TEXT.format(**{**usual, **said}))
    return load(path).settings


def test_what_it_says_is_what_is_known(tmp_path: Path) -> None:
    known = recognised(settings(tmp_path))
    anna = Principal("default", "anna", "one", "jwt", issuer="https://id.example.com", client="app")
    assert known.knows(anna)
    assert known.knows(Principal("default", "k", "two", "key", "0123456789AB"))
    assert not recognised(settings(tmp_path, client="other")).knows(anna)
    assert [person.subject for person in known.people] == ["anna"]


def test_nobody_shows_anything(tmp_path: Path) -> None:
    path = tmp_path / "doorward.yaml"
    path.write_text('version: 1\ngateway: {listen: "127.0.0.1:0"}\nauth: none\nagents: {anonymous: {}}\n')
    known = recognised(load(path).settings)
    assert known.knows(Principal("default", "anonymous", "anonymous", "none"))
    assert not known.knows(Principal("default", "k", "anonymous", "key", "0123456789AB"))


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ({}, True),
        ({"rules": "true"}, True),
        ({"client": "other"}, False),
        ({"person": "berta"}, False),
        ({"url": "https://new.example.com"}, False),
        ({"auth": AUTH.replace("keys: true, ", "")}, False),
    ],
)
def test_whether_callers_mean_the_same(tmp_path: Path, said: dict[str, str], same: bool) -> None:
    assert same_callers(settings(tmp_path), settings(tmp_path, **said)) is same
