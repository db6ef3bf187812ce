"""The bytes of a request, and what is refused before there is one."""

import pytest

from doorward.app.relay.leg import HttpLeg

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    "url", ["gateway", "ftp://gateway/mcp", "http://u:p@gateway/mcp", "http://gateway/a b"]
)
async def test_a_url_that_names_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        HttpLeg(url, None)


@pytest.mark.parametrize("key", ["", "dw_x\r\nX-Evil: 1", "two words", "schlüssel"])
async def test_a_key_that_is_no_word_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="the key is not a word of visible ASCII") as caught:
        HttpLeg("http://127.0.0.1/mcp", key)
    assert not key or key not in str(caught.value)


async def test_a_post_carries_key_and_length() -> None:
    leg = HttpLeg("http://[::1]:7420/mcp/files?a=b", "dw_x")
    head, _, body = leg._request(b"POST", [(b"mcp-method", b"ping")], "é".encode()).partition(b"\r\n\r\n")

    assert head.split(b"\r\n")[0] == b"POST /mcp/files?a=b HTTP/1.1"
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert fields.pop(b"User-Agent").startswith(b"doorward-bridge/")
    assert fields == {
        b"Host": b"[::1]:7420",
        b"Accept": b"application/json, text/event-stream",
        b"Authorization": b"Bearer dw_x",
        b"mcp-method": b"ping",
        b"Content-Type": b"application/json",
        b"Content-Length": b"2",
    }
    assert body == "é".encode()


async def test_without_key_and_body_there_is_neither_field() -> None:
    request = HttpLeg("http://127.0.0.1/mcp", None)._request(b"GET", [], None)

    assert b"Authorization" not in request
    assert b"Content-" not in request
    assert b"\r\nAccept: text/event-stream\r\n" in request
    assert request.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("url", "key", "exposed"),
    [
        ("http://127.0.0.1:7420/mcp", "dw_x", False),
        ("http://localhost:7420/mcp", "dw_x", False),
        ("http://[::1]:7420/mcp", "dw_x", False),
        ("https://gateway.example/mcp", "dw_x", False),
        ("http://gateway.example/mcp", None, False),
        ("http://gateway.example/mcp", "dw_x", True),
        ("http://127.evil.example/mcp", "dw_x", True),
    ],
)
async def test_a_key_in_clear_over_a_network_is_noticed(url: str, key: str | None, exposed: bool) -> None:
    assert HttpLeg(url, key).exposes_key is exposed
