"""What a configured server becomes, and that equal configurations become equal settings."""

import ssl
from pathlib import Path

import pytest

from doorward.app.servers import FixedFields, server_settings, tool_rules, way_of
from doorward.audit.records import Way
from doorward.config.load import Loaded, parse
from doorward.model.target import OperationClass, ToolRule
from doorward.upstream.proxy import Proxy
from doorward.upstream.timeouts import Timeouts, ToolTimeouts

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


REACH = """\
version: 1
servers:
  a:
    url: https://mcp.example/mcp
    timeout: {connect: 1s, first_byte: 10s}
    max_reply_bytes: 1000
    pool: {size: 8, keep_alive: 30s}
    dns: {ttl: 5s, prefer: ipv4}
    proxy: PROXY
    tools:
      "get_*": {class: read}
      "*": {timeout: {total: 5s, idle: 1s}}
  b:
    url: https://mcp.example/mcp
    tools: {"*": {class: read}}
"""


def reach(tmp_path: Path, name: str = "a", proxy: str = "none", **environ: str):
    loaded = parse(REACH.replace("PROXY", proxy), path=tmp_path / "doorward.yaml", environ={})
    return server_settings(name, loaded.settings.servers[name], loaded.base, environ)


def test_what_is_not_said_of_time_is_as_usual(tmp_path: Path) -> None:
    assert reach(tmp_path).timeouts == Timeouts(connect_s=1.0, first_byte_s=10.0)
    assert reach(tmp_path, "b").timeouts == Timeouts()


def test_a_tool_s_limits_stand_on_its_server_s(tmp_path: Path) -> None:
    quiet, every = reach(tmp_path).tool_timeouts
    assert quiet == ToolTimeouts("get_*", None)
    own = Timeouts(connect_s=1.0, first_byte_s=10.0, idle_s=1.0, total_s=5.0)
    assert every == ToolTimeouts("*", own)
    assert reach(tmp_path, "b").tool_timeouts == ()


def test_connections_names_and_sizes(tmp_path: Path) -> None:
    a, b = reach(tmp_path), reach(tmp_path, "b")
    assert (a.pool_size, a.keep_alive_s, a.dns_ttl_s, a.dns_prefer) == (8, 30.0, 5.0, "ipv4")
    assert (a.max_reply_bytes, b.max_reply_bytes) == (1000, 16 * 1024 * 1024)
    assert (b.pool_size, b.keep_alive_s, b.dns_ttl_s, b.dns_prefer) == (64, 4.0, 30.0, "system")


def test_the_environment_names_a_proxy_only_where_the_configuration_says_so(tmp_path: Path) -> None:
    environ = {"https_proxy": "http://me:pw@p.example:3128"}
    assert reach(tmp_path, **environ).proxy is None
    assert reach(tmp_path, proxy="env", **environ).proxy == Proxy.of("p.example", 3128, "me", "pw")
    assert reach(tmp_path, proxy="env", https_proxy="p.example:3128").proxy == Proxy("p.example", 3128)
    assert reach(tmp_path, proxy="env", no_proxy="mcp.example", **environ).proxy is None
    assert reach(tmp_path, proxy="env").proxy is None
    assert reach(tmp_path, proxy="http://q.example:1", **environ).proxy == Proxy("q.example", 1)


def test_an_unusable_proxy_of_the_environment_is_an_error_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"servers\.a\.proxy: in the environment") as refused:
        reach(tmp_path, proxy="env", https_proxy="socks5://me:pw@p.example")
    assert "pw" not in str(refused.value)


def test_the_processes_of_a_local_server(tmp_path: Path) -> None:
    text = "{max: 4, idle: 1m, stop: 2s, restarts: 1, umask: '077'}"
    document = f"version: 1\nservers: {{a: {{command: [x], processes: {text}}}, b: {{command: [x]}}}}"
    servers = parse(document, path=tmp_path / "doorward.yaml", environ={}).settings.servers
    said, silent = (server_settings(name, servers[name], tmp_path) for name in ("a", "b"))

    assert (said.max_conversations, said.conversation_idle_s, said.stop_s) == (4, 60.0, 2.0)
    assert (said.restart_budget, said.umask) == (1, 0o077)
    assert (silent.max_conversations, silent.conversation_idle_s, silent.stop_s) == (32, 600.0, 5.0)
    assert (silent.restart_budget, silent.umask) == (5, None)


@pytest.mark.parametrize(
    ("server", "way"),
    [
        ("{url: 'http://127.0.0.1:1/mcp'}", Way("http", "none")),
        ("{url: 'https://a.example/mcp', auth: {bearer: '${env:T}'}}", Way("http", "bearer")),
        ("{url: 'https://a.example/mcp', auth: {headers: {X-Key: '${env:T}'}}}", Way("http", "headers")),
        ("{url: 'https://a.example/mcp', tls: {cert: a.pem, key: a.key}}", Way("http", "certificate")),
        ("{command: [x]}", Way("stdio", "none")),
        ("{command: [x], env: {TOKEN: '${env:T}'}}", Way("stdio", "env")),
    ],
)
def test_records_say_how_a_server_is_reached_and_never_with_what(server: str, way: Way) -> None:
    settings = parse(f"version: 1\nservers: {{a: {server}}}\n", environ={"T": "canary-t"}).settings
    assert way_of(settings.servers["a"]) == way
