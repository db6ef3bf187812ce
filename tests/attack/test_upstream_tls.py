"""TLS towards servers: who cannot prove the name that was configured gets no call."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from doorward.model.call import Outcome
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.server import Server
from doorward.upstream.settings import ServerSettings
from doorward.upstream.tls import ReloadingContext
from tests.attack.hostile_server import Lab, permit
from tests.unit.upstream.test_tls import make_pair

pytestmark = [pytest.mark.asyncio]


@asynccontextmanager
async def secured(
    pair: tuple[str, str],
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    client_ca: str | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[Lab, Server]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.minimum_version = context.maximum_version = version
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    made = Lab()
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
    server = Server(ServerSettings(name="lab", url=url, **settings))
    await server.start()
    try:
        yield made, server
    finally:
        await server.close(1.0)
        listener.close()
        await asyncio.sleep(0.05)


async def test_a_server_that_wants_a_certificate_says_so(tmp_path: Path) -> None:
    pair, stranger = make_pair(tmp_path, "tools.test"), make_pair(tmp_path, "stranger.test")
    for cert, version in ((None, "1.3"), (stranger, "1.3"), (None, "1.2"), (stranger, "1.2")):
        context = ReloadingContext(pair[0], *(cert or (None, None)), min_version=version)
        exact = ssl.TLSVersion.TLSv1_3 if version == "1.3" else ssl.TLSVersion.TLSv1_2
        async with secured(
            pair, exact, client_ca=pair[0], ssl=context, server_hostname="tools.test", timeout_s=5.0
        ) as (made, server):
            with pytest.raises(UpstreamError, match=r"TLS|closed") as caught:
                await server.send(permit())
            assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
            assert made.seen == []


async def test_our_certificate_lets_us_in_and_changed_files_are_used_from_the_next_connection_on(
    tmp_path: Path,
) -> None:
    pair, ours = make_pair(tmp_path, "tools.test"), make_pair(tmp_path, "ours.test")
    context = ReloadingContext(pair[0], *ours)
    async with secured(
        pair, client_ca=ours[0], ssl=context, server_hostname="tools.test", keep_alive_s=0.1
    ) as (_, server):
        assert (await server.send(permit())).outcome is Outcome.OK
        Path(ours[0]).write_text("half-written")  # noqa: ASYNC240 - a few bytes, once
        await asyncio.sleep(0.3)
        assert (await server.send(permit())).outcome is Outcome.OK
        assert "changed TLS files are not in use" in (server.state.note or "")
        make_pair(tmp_path, "ours.test")  # whole, and nobody the server knows
        await asyncio.sleep(0.3)
        with pytest.raises(UpstreamError):
            await server.send(permit())
        assert server.state.note is None


async def test_the_configured_name_and_authority_are_enough(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "tools.test")
    async with secured(pair, ssl=ReloadingContext(ca=pair[0]), server_hostname="tools.test") as (_, server):
        assert (await server.send(permit())).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("hostname", "trusted", "version"),
    [
        ("other.test", True, ssl.TLSVersion.TLSv1_3),
        (None, True, ssl.TLSVersion.TLSv1_3),
        ("tools.test", False, ssl.TLSVersion.TLSv1_3),
        ("tools.test", True, ssl.TLSVersion.TLSv1_2),
    ],
)
async def test_everything_else_is_refused(
    tmp_path: Path, hostname: str | None, trusted: bool, version: ssl.TLSVersion
) -> None:
    pair = make_pair(tmp_path, "tools.test")
    context = ReloadingContext(ca=pair[0] if trusted else None)
    async with secured(pair, version, ssl=context, server_hostname=hostname) as (made, server):
        with pytest.raises(UpstreamError, match="TLS handshake") as caught:
            await server.send(permit())
        assert caught.value.reason is Reason.UPSTREAM_UNREACHABLE
        assert made.seen == []
