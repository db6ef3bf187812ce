"""How a server is reached, as the document may say it."""

import pytest

from doorward.config.errors import ConfigError
from doorward.config.load import parse
from doorward.config.outbound import Dns, Pool, Timeouts
from doorward.config.proxies import ProxyUrl, parse_proxy_url
from doorward.config.schema import json_schema
from doorward.config.secret import Secret
from doorward.config.settings import Server


def server(text: str) -> Server:
    document = f"version: 1\nservers: {{a: {{url: 'https://a.example/mcp', {text}}}}}"
    return parse(document, environ={"PROXY": "http://me:p%40ss@proxy.example:3128"}).settings.servers["a"]


def test_a_duration_by_itself_is_the_whole_call() -> None:
    assert server("timeout: 20s").timeout == Timeouts(total="20s")
    assert server("").timeout == Timeouts()
    said = server("timeout: {connect: 1s, tls: 2s, first_byte: 3s, idle: 4s, total: 5s}").timeout
    assert said == Timeouts(connect="1s", tls="2s", first_byte="3s", idle="4s", total="5s")


def test_tools_may_differ() -> None:
    tools = server("tools: {'get_*': {timeout: 2s}, 'x': {timeout: {idle: 1s}}, 'y': {class: read}}").tools
    assert [tool.timeout for tool in tools.values()] == [Timeouts(total="2s"), Timeouts(idle="1s"), None]


def test_pool_names_and_sizes() -> None:
    said = server("pool: {size: 8, keep_alive: 30s}, dns: {ttl: 0s, prefer: ipv4}, max_reply_bytes: 1000")
    assert said.pool == Pool(size=8, keep_alive="30s")
    assert said.dns == Dns(ttl="0s", prefer="ipv4")
    assert said.max_reply_bytes == 1000
    assert server("").max_reply_bytes == 16 * 1024 * 1024


def test_a_proxy_is_a_word_or_a_url() -> None:
    assert server("").proxy == "none"
    assert server("proxy: env").proxy == "env"
    assert server("proxy: 'http://p.example'").proxy == ProxyUrl("p.example", 80)
    said = server("proxy: '${env:PROXY}'").proxy
    assert said == ProxyUrl("proxy.example", 3128, "me", Secret("p@ss"))
    assert str(said) == "http://proxy.example:3128"
    assert "p@ss" not in repr(said)
    assert "p@ss" not in server("proxy: '${env:PROXY}'").model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p.example:3128",
        "http://",
        "http://:3128",
        "http://p.example:0",
        "http://p.example:99999",
        "http://p.example/x",
        "http://p.example?x",
        "http://p.example/#x",
        "https://p.example",
        "socks5://p.example",
        "http://p example",
        "http://pä.example",
        "http://p.example\r\nX: y",
        "http://a%3Ab:c@p.example",
    ],
)
def test_what_is_no_proxy_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the words differ
        parse_proxy_url(text)
    assert len(text) < 10 or text not in str(refused.value)


def test_an_address_of_ipv6_is_written_in_brackets() -> None:
    assert str(parse_proxy_url("http://[::1]:3128")) == "http://[::1]:3128"


@pytest.mark.parametrize("loopback", ["localhost", "127.0.0.1", "[::1]"])
def test_a_proxy_on_this_machine_is_no_other_machine(loopback: str) -> None:
    text = "version: 1\nservers: {{a: {{url: 'http://127.0.0.1:1/mcp', proxy: 'http://{}:3128'}}}}"
    assert parse(text.format(loopback), environ={}).settings.servers["a"].proxy.port == 3128
    with pytest.raises(ConfigError, match="clear text"):
        parse(text.format("p.example"), environ={})


def test_the_schema_offers_both_forms_of_a_timeout() -> None:
    definitions = json_schema()["$defs"]
    for owner in ("Server", "Tool"):
        forms = definitions[owner]["properties"]["timeout"]["anyOf"]
        assert [form.get("type", form.get("$ref")) for form in forms] == ["string", "#/$defs/Timeouts"]
