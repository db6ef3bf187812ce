"""The aggregate's URIs: each has one meaning, each meaning has one URI, and servers cannot imitate them."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.wire.uris import expose, own, reads_one_way

pytestmark = pytest.mark.spec("DW-330")

SERVERS = st.from_regex(r"[a-z0-9-]{1,16}", fullmatch=True) | st.sampled_from(["ui", "a", "b", "x", "-", "1"])
URIS = (
    st.text(max_size=40)
    | st.from_regex(r"[A-Za-z][A-Za-z0-9+.-]{0,8}:[!-~]{0,30}", fullmatch=True)
    | st.tuples(st.sampled_from(["ui://", "UI://", "ui:", "a+", "x.1+", "a+ui://"]), st.text(max_size=9)).map(
        "".join
    )
)


@pytest.mark.parametrize(
    ("server", "uri", "exposed"),
    [
        ("docs", "file:///a", "docs+file:///a"),
        ("docs", "memo:x", "docs+memo:x"),
        ("docs", "no scheme", "docs+no scheme"),
        ("docs", "ui://card/a.html", "ui://docs/card/a.html"),
        ("docs", "ui://", "ui://docs/"),
        ("docs", "UI://card", "docs+UI://card"),
        ("1st", "file:///a", "x.1st+file:///a"),
        ("docs", "file:///{path}{?q}", "docs+file:///{path}{?q}"),
        ("docs", "ui://{+card}", "ui://docs/{+card}"),
        ("evil", "docs+file:///a", "evil+docs+file:///a"),
        ("evil", "ui://docs/card", "ui://evil/docs/card"),
    ],
)
def test_the_forms(server: str, uri: str, exposed: str) -> None:
    assert expose(server, uri) == exposed
    assert own(exposed) == (server, uri)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "file:///a",
        "+file:///a",
        "ui://docs",
        "ui:///card",
        "docs+ui://card",
        "1st+file:///a",
        "x.+a",
        "x.docs+a:b",
    ],
)
def test_what_is_nobodys(text: str) -> None:
    assert own(text) is None


@given(SERVERS, URIS)
@example("ui", "://a")
def test_a_uri_comes_back_as_it_was(server: str, uri: str) -> None:
    assert own(expose(server, uri)) == (server, uri)


@given(SERVERS, URIS, SERVERS, URIS)
def test_two_uris_never_have_one_form(server: str, uri: str, other: str, another: str) -> None:
    assert (expose(server, uri) == expose(other, another)) is ((server, uri) == (other, another))


@given(st.tuples(st.sampled_from(["", "ui://", "a+", "x.1+", "a+ui://", "ui://a/"]), URIS).map("".join))
def test_what_can_be_read_is_what_is_written(text: str) -> None:
    found = own(text)
    assert found is None or expose(*found) == text


@given(SERVERS, st.from_regex(r"[a-z][a-z0-9.-]{0,8}:[!-~]{0,30}", fullmatch=True))
def test_a_uri_stays_one_for_readers_of_rfc_3986(server: str, uri: str) -> None:
    assert re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", expose(server, uri))


@given(SERVERS, SERVERS, st.text(max_size=30))
def test_an_imitation_stays_its_own_servers(evil: str, victim: str, uri: str) -> None:
    found = own(expose(evil, expose(victim, uri)))
    assert found == (evil, expose(victim, uri))


@given(SERVERS, st.from_regex(r"[a-z0-9]{0,9}", fullmatch=True), st.sampled_from(["", "ui://", "file:///"]))
def test_what_is_expanded_from_a_template_is_what_its_server_would_expand(
    server: str, value: str, prefix: str
) -> None:
    template = prefix + "{v}/end"
    assert own(expose(server, template).replace("{v}", value)) == (server, template.replace("{v}", value))


def test_hosts_know_an_app_by_its_scheme() -> None:
    assert urlsplit(expose("docs", "ui://card/a.html")).scheme == "ui"


@pytest.mark.parametrize(
    "uri",
    [
        "file:///docs/a.txt", "file:///docs/.hidden/..a/a..", "file://host/a", "file:///", "file:/a",
        "memo:x", "note://Anna/7", "https://a.example/x?next=..&y=a//b", "s3://bucket/a//b",
        "fetch:https://a.example/b", "file:///a%20b%2Fc", "urn:isbn:1.2", "n:///x%25y", "no scheme", "",
        "a...b:...", "file:///a?x=//y",
    ],
)  # fmt: skip
def test_what_can_be_read_in_one_way(uri: str) -> None:
    assert reads_one_way(uri)


@pytest.mark.parametrize("piece", ["a", "/a", "file:", "%20", "."])
def test_a_long_one_takes_no_longer_than_it_is(piece: str) -> None:
    """A search that goes back over each part would take hours for these."""
    assert reads_one_way("file://h" + piece * 500_000 + "a")


@pytest.mark.parametrize(
    "uri",
    [
        "file:///docs/../etc", "file:///docs/..", "file:///docs/./a", "file:///docs/.", "file:///docs/..?x",
        "file:///docs/..#x", "file:///docs/%2e%2E/etc", "file:///docs/.%2e/etc", "file:///docs/..%2fetc",
        "file:///docs%2F..%2Fetc", "file:///docs/..\\etc", "file:///docs\\..\\etc", "file:///docs/..%5Cetc",
        "memo:..", "memo:../x", "../x", "file:///%73ecret", "file:///%53ecret", "file:///a%2Db",
        "file:///%5fx", "file:///%7eme", "file:///%30", "FILE:///secret", "file:////etc",
        "file:///docs//secret", "file://host//etc", "file:/a//b",
    ],
)  # fmt: skip
def test_what_a_server_may_read_as_something_else(uri: str) -> None:
    assert not reads_one_way(uri)
