"""What a configured server becomes, and that equal configurations become equal settings."""

import ssl
from pathlib import Path

import pytest

from doorward.app.servers import FixedFields, server_settings, tool_rules
from doorward.config.load import Loaded, parse
from doorward.model.target import OperationClass, ToolRule

TEXT = """\
version: 1
servers:
  remote:
    url: https://mcp.example/mcp
    auth: {bearer: "${env:TOKEN}"}
    timeout: 5s
    tools:
      "get_*": {class: read, safe: [id]}
      "*": {class: external}
  named:
    url: https://mcp.example/mcp
    auth: {headers: {X-Api-Key: "${env:TOKEN}"}}
  plain:
    url: http://127.0.0.1:1/mcp
    auth: {bearer: "${env:TOKEN}"}
  local:
    command: [serve, --fast]
    env: {TOKEN: "${env:TOKEN}"}
    shared: true
agents: {}
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return parse(TEXT, path=tmp_path / "doorward.yaml", environ={"TOKEN": "s3cret"})


def settings(loaded: Loaded, name: str):
    return server_settings(name, loaded.settings.servers[name], loaded.base)


def test_a_remote_server(loaded: Loaded) -> None:
    remote = settings(loaded, "remote")

    assert (remote.name, str(remote.url), remote.command, remote.timeout_s) == (
        "remote", "https://mcp.example/mcp", None, 5.0
    )  # fmt: skip
    assert remote.auth_headers() == [(b"authorization", b"Bearer s3cret")]
    assert remote.auth_headers() is remote.auth_headers()
    assert remote.cwd is None


def test_headers_of_the_operators_choice_have_lower_case_names(loaded: Loaded) -> None:
    assert settings(loaded, "named").auth_headers() == [(b"x-api-key", b"s3cret")]


def test_a_local_server_starts_beside_the_file(loaded: Loaded) -> None:
    local = settings(loaded, "local")

    assert (local.command, local.env, local.cwd, local.shared) == (
        ("serve", "--fast"), {"TOKEN": "s3cret"}, str(loaded.base), True
    )  # fmt: skip
    assert local.auth_headers() == []


def test_equal_configurations_are_equal_settings_and_a_rotated_secret_is_another(tmp_path: Path) -> None:
    def of(token: str):
        loaded = parse(TEXT, path=tmp_path / "doorward.yaml", environ={"TOKEN": token})
        return [settings(loaded, name) for name in loaded.settings.servers]

    assert of("a") == of("a")
    assert all(one != other for one, other in zip(of("a"), of("b"), strict=True))


def test_nothing_shows_the_secret() -> None:
    assert repr(FixedFields([(b"authorization", b"Bearer s3cret")])) == "FixedFields(authorization)"


def test_tool_rules_keep_the_order_of_the_file(loaded: Loaded) -> None:
    assert tool_rules(loaded.settings.servers["remote"]) == (
        ToolRule("get_*", OperationClass.READ, ("id",)),
        ToolRule("*", OperationClass.EXTERNAL),
    )


def test_https_has_one_context_and_its_floor_without_a_word_about_tls(loaded: Loaded) -> None:
    context = settings(loaded, "remote").ssl

    assert context is not None
    assert context() is context()
    assert context().minimum_version is ssl.TLSVersion.TLSv1_3
    assert context().check_hostname
    assert settings(loaded, "local").ssl is None
    assert settings(loaded, "plain").ssl is None
