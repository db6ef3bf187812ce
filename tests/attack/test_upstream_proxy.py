"""Proxies on the way: used only when the configuration says so, and told no more than they must know."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from doorward.model.call import Outcome
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.proxy import Proxy
from doorward.upstream.server import Server
from doorward.upstream.settings import NoAuth, ServerSettings
from doorward.upstream.tls import ReloadingContext
from tests.attack.hostile_server import lab, permit
from tests.attack.test_upstream_tls import secured
from tests.unit.upstream.test_tls import make_pair

pytestmark = [pytest.mark.asyncio]

SECRET = NoAuth([(b"authorization", b"Bearer s3cret")])


class FakeProxy:
    """Tunnels and forwards to one server; `answer` is what it says to CONNECT instead."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.heads: list[bytes] = []
        self.answer = b"HTTP/1.1 200 OK\r\n\r\n"
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            if head.startswith(b"CONNECT"):
                writer.write(self.answer)
            else:
                back.write(head)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@asynccontextmanager
async def proxied(target: int) -> AsyncIterator[FakeProxy]:
    made = FakeProxy(target)
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listener.close()


def port_of(server: Server) -> int:
    return int((server.settings.url or "").split(":")[2].split("/")[0])


@asynccontextmanager
async def through(origin: Server, user: str | None = None) -> AsyncIterator[tuple[FakeProxy, Server]]:
    """A Server with the settings of `origin` that goes through a proxy of its own."""
    async with proxied(port_of(origin)) as proxy:
        settings = msgspec.structs.replace(
            origin.settings,
            url=(origin.settings.url or "").replace("127.0.0.1", "tools.invalid"),
            proxy=Proxy.of("127.0.0.1", proxy.port, user, "pw"),
            auth_headers=SECRET,
        )
        server = Server(settings)
        await server.start()
        try:
            yield proxy, server
        finally:
            await server.close(0.5)


async def test_plain_http_goes_in_absolute_form_with_the_proxy_s_credentials() -> None:
    async with lab() as (_, origin), through(origin, "me") as (proxy, server):
        assert (await server.send(permit())).outcome is Outcome.OK
        first, *fields = proxy.heads[0].split(b"\r\n")
        assert first == b"POST http://tools.invalid:%d/mcp HTTP/1.1" % port_of(origin)
        assert b"Proxy-Authorization: Basic bWU6cHc=" in fields
        assert b"Host: tools.invalid:%d" % port_of(origin) in fields


async def test_tls_goes_through_a_tunnel_that_sees_no_credentials(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "tools.invalid")
    async with (
        secured(pair, ssl=ReloadingContext(ca=pair[0])) as (made, origin),
        through(origin, "me") as (
            proxy,
            server,
        ),
    ):
        assert (await server.send(permit())).outcome is Outcome.OK
        assert all(
            head.startswith(b"CONNECT tools.invalid:%d HTTP/1.1\r\n" % port_of(origin))
            for head in proxy.heads
        )
        assert b"Proxy-Authorization: Basic bWU6cHc=\r\n" in proxy.heads[0]
        assert b"s3cret" not in b"".join(proxy.heads)
        call = next(one for one in made.seen if one.method == "tools/call")
        assert call.headers["authorization"] == "Bearer s3cret"
        assert "proxy-authorization" not in call.headers


async def test_a_tunnel_to_somebody_else_ends_at_the_certificate(tmp_path: Path) -> None:
    """A proxy that leads us elsewhere has no certificate for the name."""
    pair, other = make_pair(tmp_path, "tools.invalid"), make_pair(tmp_path, "evil.invalid")
    async with (
        secured(other, ssl=ReloadingContext(ca=pair[0])) as (made, origin),
        through(origin) as (_, server),
    ):
        with pytest.raises(UpstreamError, match="failed the TLS handshake") as caught:
            await server.send(permit())
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
        assert made.seen == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
            "our credentials",
        ),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP 403"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "cannot have sent"),
        (b"\x00" * 20_000, "too large"),
        (b"", "in time|within"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel(tmp_path: Path, answer: bytes, said: str) -> None:
    pair = make_pair(tmp_path, "tools.invalid")
    context = ReloadingContext(ca=pair[0])
    async with (
        secured(pair, ssl=context, connect_s=0.3) as (made, origin),
        through(origin) as (proxy, server),
    ):
        proxy.answer = answer
        with pytest.raises(UpstreamError, match=said) as caught:
            await server.send(permit())
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
        assert "server lab " in caught.value.message
        assert made.seen == []


async def test_the_environment_alone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with lab() as (made, origin), proxied(port_of(origin)) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await origin.send(permit())).outcome is Outcome.OK
        assert proxy.heads == []
        assert made.times("tools/call") == 1


async def test_a_proxy_that_is_not_there() -> None:
    settings = ServerSettings(
        name="lab", url="http://tools.invalid/mcp", proxy=Proxy("127.0.0.1", 1), timeout_s=3.0
    )
    server = Server(settings)
    await server.start()
    with pytest.raises(UpstreamError, match="server lab cannot be reached through its proxy: Conn") as caught:
        await server.send(permit())
    await server.close(0.5)
    assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
