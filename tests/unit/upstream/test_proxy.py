"""Which proxy the environment names, and what counts as its consent."""

import asyncio
import socket
from typing import Any

import pytest

from doorward.upstream.proxy import Proxy, TunnelRefused, ask_tunnel, bypasses, proxy_from

ENV = {"https_proxy": "http://s:1", "http_proxy": "http://p:1", "all_proxy": "http://a:1"}


def chosen(
    environ: dict[str, str], host: str = "a.example", port: int = 443, *, tls: bool = True
) -> str | None:
    return proxy_from(environ, tls=tls, host=host, port=port)


def test_the_scheme_chooses_and_all_is_the_rest() -> None:
    assert chosen(ENV) == "http://s:1"
    assert chosen(ENV, tls=False) == "http://p:1"
    assert chosen({"all_proxy": "http://a:1"}) == "http://a:1"
    assert chosen({}) is None
    assert chosen({"https_proxy": ""}) is None


def test_the_lower_case_form_counts_first() -> None:
    assert chosen({"HTTPS_PROXY": "http://upper:1"}) == "http://upper:1"
    assert chosen({"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:1"}) == "http://lower:1"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_never_goes_through_a_proxy_of_the_environment(host: str) -> None:
    assert chosen(ENV, host) is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "straight"),
    [
        ("*", "a.example", 443, True),
        ("a.example", "a.example", 443, True),
        ("A.Example", "a.EXAMPLE.", 443, True),
        ("a.example", "b.a.example", 443, True),
        (".a.example", "b.a.example", 443, True),
        ("*.a.example", "b.a.example", 443, True),
        ("a.example", "ba.example", 443, False),
        ("example", "a.example.com", 443, False),
        ("x.test, a.example", "a.example", 443, True),
        ("x.test a.example", "a.example", 443, True),
        ("a.example:443", "a.example", 443, True),
        ("a.example:8443", "a.example", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.1", "10.0.0.1", 443, True),
        ("10.0.0.1:80", "10.0.0.1", 443, False),
        ("10.0.0.1", "10.0.0.10", 443, False),
        ("10.0.0.0/8", "a10.0.0.1.example", 443, False),
        ("2001:db8::/32", "2001:db8::5", 443, True),
        ("[2001:db8::5]:443", "2001:db8::5", 443, True),
        ("2001:db8::5", "2001:db8::6", 443, False),
        ("", "a.example", 443, False),
        (",, .", "a.example", 443, False),
        ("nonsense/99", "10.0.0.1", 443, False),
    ],
)
def test_no_proxy(no_proxy: str, host: str, port: int, straight: bool) -> None:
    assert bypasses(no_proxy, host, port) is straight
    assert (chosen({**ENV, "no_proxy": no_proxy}, host, port) is None) is straight


def test_credentials_are_basic_and_are_not_shown() -> None:
    proxy = Proxy.of("p", 3128, "user", "pässword")
    assert proxy.authorization == b"Basic dXNlcjpww6Rzc3dvcmQ="
    assert "dXNl" not in repr(proxy)
    assert repr(proxy) == "Proxy(p:3128)"
    assert Proxy.of("p", 3128, None, "").authorization == b""


async def tunnelled(*answer: bytes, proxy: Proxy | None = None, host: str = "a.example") -> bytes:
    """What the proxy was asked, when it answers so, in these pieces."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(5)
        asking = asyncio.create_task(ask_tunnel(ours, proxy or Proxy("p", 1), host, 443))
        for piece in answer:
            await asyncio.sleep(0.005)
            if asking.done():
                break
            theirs.sendall(piece)
        theirs.shutdown(socket.SHUT_WR)
        await asking
        return theirs.recv(4096)


@pytest.mark.asyncio
async def test_a_tunnel_is_asked_for_with_the_proxy_s_credentials_only() -> None:
    asked = await tunnelled(b"HTTP/1.1 200 OK\r\n\r\n", proxy=Proxy.of("p", 1, "u", "p"))
    assert asked == (
        b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nUser-Agent: doorward\r\n"
        b"Proxy-Authorization: Basic dTpw\r\n\r\n"
    )
    assert (await tunnelled(b"HTTP/1.0 204 \r\nVia: x\r\n\r\n", host="::1")).startswith(
        b"CONNECT [::1]:443 HTTP/1.1\r\n"
    )


@pytest.mark.asyncio
async def test_consent_may_come_in_pieces() -> None:
    assert await tunnelled(b"HT", b"TP/1.1 200 Connection established\r", b"\nContent-Length: 5\r\n", b"\r\n")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", "did not accept our credentials"),
        (b"HTTP/1.1 502 Bad\r\n\r\n<html>", "HTTP 502"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\n\r\n", "HTTP 302"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "not HTTP"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP"),
        (b"SSH-2.0\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03", "cannot have sent"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "cannot have sent"),
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\n", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, "too large"),
    ],
)
async def test_everything_else_is_no_consent(answer: bytes, said: str) -> None:
    with pytest.raises(TunnelRefused, match=said):
        await tunnelled(answer)


@pytest.mark.asyncio
async def test_giving_up_is_possible_while_it_says_nothing() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        asking: Any = asyncio.create_task(ask_tunnel(ours, Proxy("p", 1), "a.example", 443))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
