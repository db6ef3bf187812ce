import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.config.errors import ConfigError, Problem
from doorward.config.load import Loaded, load, parse
from doorward.config.schema import json_schema
from doorward.config.secret import Secret
from doorward.config.settings import Settings
from doorward.config.values import Listen
from doorward.model.target import OperationClass
from doorward.model.verdict import Mode

FULL = """\
version: 1
mode: audit
gateway:
  listen: "[::1]:7420"
  state: state
  secrets: /run/ring.json
  public_url: https://gate.example.com/
  allowed_origins: [https://app.example.com]
  drain: 500ms
auth: {keys: true}
servers:
  github:
    url: https://mcp.example.com/mcp?key=${env:TOKEN}
    auth: {headers: {Authorization: "Bearer ${env:TOKEN}"}}
    tls: {ca: ca.pem, cert: c.pem, key: k.pem, server_name: mcp, min_version: "1.3"}
    timeout: 1.5m
    mode: enforce
    tools:
      "get_*": {class: read, safe: [id]}
      "*": {class: external}
  files:
    command: [uvx, acme-files]
    env: {API_KEY: "${env:TOKEN}"}
    cwd: work
    shared: true
agents:
  ci-bot:
    servers: [github]
    tools: {allow: ["*"], deny: ["delete_*"]}
    when: {arguments.repo: {in: [a, 1, true], equals: a}, arguments.n: {at_least: 1, at_most: 2.5}}
    grants:
      - servers: ["f*"]
        resources: {allow: ["file:///srv/*", "https://x.example/?q=*"]}
    see_rules: true
"""
ENVIRON = {"TOKEN": "s3cr3t-value"}


def of(text: str) -> Loaded:
    return parse(text, path=Path("doorward.yaml"), environ=ENVIRON)


def messages(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        of(text)
    return [problem.message for problem in refused.value.problems]


def test_a_full_document() -> None:
    loaded = of(FULL)
    settings = loaded.settings
    assert settings.mode is Mode.AUDIT
    assert settings.requires_key
    assert settings.gateway.listen == (Listen("::1", 7420),)
    assert settings.gateway.drain == 0.5
    assert settings.gateway.public_url == "https://gate.example.com"
    assert settings.servers["github"].timeout.total == 90.0
    assert list(settings.servers["github"].tools) == ["get_*", "*"]
    assert settings.servers["github"].tools["get_*"].op_class is OperationClass.READ
    assert settings.mode_of("github") is Mode.ENFORCE
    assert settings.mode_of("files") is Mode.AUDIT
    assert settings.agents["ci-bot"].when["arguments.repo"].in_ == ("a", 1, True)


def test_relative_paths_start_from_the_file() -> None:
    settings = parse(FULL, path=Path("/etc/doorward/doorward.yaml"), environ=ENVIRON).settings
    assert settings.gateway.state == Path("/etc/doorward/state")
    assert settings.gateway.secrets == Path("/run/ring.json")
    assert settings.servers["files"].cwd == Path("/etc/doorward/work")
    tls = settings.servers["github"].tls
    assert tls is not None
    assert tls.ca == Path("/etc/doorward/ca.pem")


def test_the_default_state_directory_lies_beside_the_file() -> None:
    loaded = parse("version: 1", path=Path("/etc/doorward/doorward.yaml"), environ={})
    assert loaded.settings.gateway.state == Path("/etc/doorward/.doorward")


def test_keys_are_required_unless_the_file_says_none() -> None:
    assert of("version: 1").settings.requires_key
    assert not of("version: 1\nauth: none").settings.requires_key
    assert messages("version: 1\nauth: {keys: false}") == ["expected true"]
    assert messages("version: 1\nauth: nobody") == ["expected none"]


def test_the_mode_is_enforce_unless_the_file_says_audit() -> None:
    assert of("version: 1").settings.mode is Mode.ENFORCE


@pytest.mark.parametrize("shown", [repr, str, Settings.model_dump_json, lambda s: str(s.model_dump())])
def test_secrets_are_in_no_dump(shown: object) -> None:
    assert callable(shown)
    settings = of(FULL.replace("?key=${env:TOKEN}", "")).settings
    assert ENVIRON["TOKEN"] not in shown(settings)


def test_a_secret_is_compared_but_not_shown() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert f"{Secret('a')} {Secret('a')!r}" == "*** Secret(***)"
    with pytest.raises(TypeError):
        json.dumps(Secret("a"))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        of(FULL).settings.mode = Mode.ENFORCE  # type: ignore[misc]


@pytest.mark.parametrize(
    ("version", "accepted"), [("1", True), ("1.0", False), ("true", False), ("2", False), ('"1"', False)]
)
def test_the_version_is_the_number_one(version: str, accepted: bool) -> None:
    if accepted:
        assert of(f"version: {version}").settings.version == 1
    else:
        assert len(messages(f"version: {version}")) == 1


def test_the_revision_follows_the_text_and_what_agents_are_made_of() -> None:
    text = "version: 1\nservers: {a: {command: ['${env:C}']}}\nagents: {x: {servers: ['${env:A}']}}"
    first = parse(text, environ={"A": "a", "C": "x"}).digest
    assert parse(text, environ={"A": "a", "C": "y"}).digest == first
    assert parse(text, environ={"A": "*", "C": "x"}).digest != first
    assert parse(text + "\n", environ={"A": "a", "C": "x"}).digest != first


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "doorward.yaml", {})
    (problem,) = refused.value.problems
    assert problem.hint == "doorward init writes one"
    assert problem.line == 0


def test_bytes_that_are_not_utf8_have_a_place(tmp_path: Path) -> None:
    path = tmp_path / "doorward.yaml"
    path.write_bytes(b"version: 1\nmode: \xff")
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    (problem,) = refused.value.problems
    assert (problem.line, problem.column) == (2, 7)


def test_the_caret_stands_under_wide_characters_and_control_characters_are_not_printed() -> None:
    problem = Problem("f", 1, 3, "m", "\u4f60\x1b[x", None)
    assert problem.render() == "f:1:3: m\n  \u4f60?[x\n     ^"


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    schema = json_schema()
    sections = {"version", "mode", "gateway", "audit", "auth", "servers", "agents", "people"}
    assert set(schema["properties"]) == sections
    assert schema["additionalProperties"] is False
    server = schema["$defs"]["Server"]["properties"]
    assert all("description" in field for field in server.values())
    assert "class" in schema["$defs"]["Tool"]["properties"]
    assert "in" in schema["$defs"]["Test"]["properties"]
    assert json.loads(json.dumps(schema)) == schema


def test_the_schema_is_as_strict_as_the_document() -> None:
    text = json.dumps(json_schema())
    assert '"null"' not in text
    assert text.count('"patternProperties"') == text.count('"additionalProperties": false') - len(MODELS)
    assert json_schema()["$defs"]["Server"]["oneOf"] == [{"required": ["url"]}, {"required": ["command"]}]


MODELS = [model for model in (json_schema(), *json_schema()["$defs"].values()) if "properties" in model]


@pytest.mark.parametrize(
    ("listen", "good"),
    [
        ("127.0.0.1:0", True),
        ("localhost:65535", True),
        ("unix:/run/d.sock", True),
        ("unix:", False),
        ("unix:/" + "s" * 102, True),
        ("unix:/" + "s" * 107, False),
        ("::1:7420", False),
        ("[::1]", False),
        ("[x]:1", False),
        ("127.0.0.1", False),
        ("127.0.0.1:65536", False),
        ("127.0.0.1:x", False),
        (":7420", False),
        ("a b:1", False),
    ],
)
def test_listen_addresses(listen: str, good: bool) -> None:
    text = f"version: 1\ngateway: {{listen: '{listen}'}}"
    if good:
        assert str(of(text).settings.gateway.listen[0]) == listen
    else:
        assert len(messages(text)) == 1


def test_several_addresses() -> None:
    text = "version: 1\ngateway: {listen: [%s]}"
    listen = of(text % "'127.0.0.1:1', '[::1]:1', 'unix:s'").settings.gateway.listen
    assert [str(each) for each in listen[:2]] == ["127.0.0.1:1", "[::1]:1"]
    assert listen[2].path == Path.cwd() / "s"
    assert of(text % "'127.0.0.1:0', '127.0.0.1:0'").settings.gateway.listen  # each a port of its own
    for bad, at, words in (
        ("", 19, "this list is empty"),
        ("'127.0.0.1:1', 'good'", 35, "expected"),
        ("'127.0.0.1:1', '0.0.0.0:2'", 35, "needs gateway.public_url"),
        ("'127.0.0.1:1', '127.0.0.1:1'", 19, "twice"),
    ):
        with pytest.raises(ConfigError) as caught:
            of(text % bad)
        (problem,) = caught.value.problems
        assert (problem.line, problem.column) == (2, at)
        assert words in problem.message


def test_tls_goes_with_at_least_one_port() -> None:
    text = "version: 1\ngateway: {listen: [%s], tls: {cert: a, key: b}}"
    assert of(text % "'unix:s', '127.0.0.1:1'").settings.gateway.tls
    with pytest.raises(ConfigError, match="tls goes with host:port"):
        of(text % "'unix:s', 'unix:t'")


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "gate.example.com", "127.0.0.1.example"])
def test_a_listener_that_others_reach_needs_authentication_and_a_public_url(host: str) -> None:
    text = f"version: 1\nauth: none\ngateway: {{listen: '{host}:1'}}"
    assert len(messages(text)) == 2
    good = f"version: 1\ngateway: {{listen: '{host}:1', public_url: 'https://g.example'}}"
    assert not of(good).settings.gateway.listen[0].loopback


@pytest.mark.parametrize(
    "duration", ["20", "20 s", "-1s", "1e3s", "0x1s", "1y", "", "s", "\u0665s", "99999999999s"]
)
def test_durations_that_are_none(duration: str) -> None:
    assert len(messages(f"version: 1\nservers: {{a: {{command: [x], timeout: '{duration}'}}}}")) == 1


def test_a_timeout_of_nothing_is_refused() -> None:
    assert messages("version: 1\nservers: {a: {command: [x], timeout: 0s}}") == ["this must be more than 0"]


@pytest.mark.parametrize("name", ["A", "a_b", "a" * 17, "a b", "a\u00e9", "a__b"])
def test_names_of_servers(name: str) -> None:
    assert len(messages(f"version: 1\nservers: {{'{name}': {{command: [x]}}}}")) == 1


WORDS = st.sampled_from(
    [
        *(
            "version",
            "mode",
            "gateway",
            "auth",
            "servers",
            "agents",
            "listen",
            "url",
            "command",
            "env",
            "tools",
        ),
        *(
            "allow",
            "deny",
            "when",
            "grants",
            "class",
            "arguments.a",
            "equals",
            "in",
            "at_least",
            "none",
            "audit",
        ),
        *("1", "true", "~", "20s", "*", "?", "${env:TOKEN}", "${env:NO}", "x"),
    ]
)
TREES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(WORDS, TREES, max_size=6))
def test_any_document_loads_or_is_a_config_error(tree: dict[str, object]) -> None:
    text = json.dumps({"version": 1, **tree})
    try:
        assert of(text).settings.version == 1
    except ConfigError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(problem.line >= 1 for problem in problems)


@given(st.text(max_size=200))
def test_any_text_loads_or_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError):
        of(text.replace("version", ""))


def test_proxies_are_addresses_networks_or_the_unix_socket() -> None:
    text = """
version: 1
gateway:
  trusted_proxies: [10.0.0.0/8, "2001:DB8::1", unix, 192.0.2.1]
  proxy_protocol: ["2001:db8::/32"]
  connections: {per_client: 50}
"""
    gateway = of(text).settings.gateway
    assert gateway.trusted_proxies == ("10.0.0.0/8", "2001:db8::1/128", "unix", "192.0.2.1/32")
    assert gateway.proxy_protocol == ("2001:db8::/32",)
    assert (gateway.connections.total, gateway.connections.per_client) == (4096, 50)


def test_sessions_are_kept_for_a_day_unless_the_file_says_otherwise() -> None:
    usual = of("version: 1\n").settings.gateway.sessions
    assert (usual.idle, usual.per_principal, usual.total) == (86_400.0, 1_000, 20_000)

    asked = of("version: 1\ngateway: {sessions: {idle: 10m, per_principal: 5}}\n").settings.gateway.sessions
    assert (asked.idle, asked.per_principal, asked.total) == (600.0, 5, 20_000)


@pytest.mark.parametrize(
    ("text", "days"),
    [("1d", 1), ("400d", 400), ("8w", 56), ("7y", 2562), ("99999y", 36_599_634), ("forever", math.inf)],
)
def test_how_long_records_are_kept(text: str, days: float) -> None:
    keep = of(f"version: 1\naudit: {{keep: {{decisions: {text}, changes: {text}}}}}\n").settings.audit.keep
    assert keep.decisions == keep.changes == days * 86_400.0


@pytest.mark.parametrize(
    "text", ["0d", "12h", "1", "-1d", "1.5d", "100000d", "d", "never", "1d ", "inf", "\u0661d", "[]"]
)
def test_times_that_nothing_is_kept_for(text: str) -> None:
    [message] = messages(f"version: 1\naudit: {{keep: {{decisions: '{text}'}}}}\n")
    assert message.startswith("expected a time such as 400d")
