import datetime as dt
import ssl
from pathlib import Path

import pytest

from doorward.edge.exchange import Exchange
from doorward.edge.handshakes import TlsRefusal
from tests.unit.edge.fakes import FakeTransport
from tests.unit.edge.wires import AUTHORITY, GATEWAY, Server, Wire, client_context, server_terms
from tests.unit.identity.pki import LOCAL, SERVER, Authority, Issued

pytestmark = pytest.mark.asyncio
STRANGER = Authority("stranger")


async def come(server: Server, tmp_path: Path, identity: Issued | None) -> Wire:
    """A client that goes through the handshake as far as it gets."""
    wire = server.accept().hello(tmp_path, identity)
    await wire.shake()
    return wire


async def test_the_identity_of_the_certificate_is_on_the_transport(tmp_path: Path) -> None:
    issued = AUTHORITY.issue("bot", LOCAL)
    server = Server(server_terms(tmp_path, ssl.CERT_REQUIRED))
    wire = await come(server, tmp_path, issued)
    found = wire.inner.transport.get_extra_info("client_certificate")
    assert (found.subject, found.issuer, found.dns) == ("CN=bot", "CN=authority", ("localhost",))


@pytest.mark.parametrize(
    "identity",
    [
        AUTHORITY.issue(lasts=dt.timedelta(days=-1)),
        STRANGER.issue(),
        Authority("self").issue(),
        AUTHORITY.issue(usage=SERVER),
        AUTHORITY.issue("two\nlines"),
        Authority("between", STRANGER).issue(),
        None,
    ],
    ids=["expired", "unknown authority", "another unknown one", "for servers", "unreadable", "chain", "none"],
)
async def test_who_cannot_prove_an_identity_gets_no_connection(
    tmp_path: Path, identity: Issued | None
) -> None:
    server = Server(server_terms(tmp_path, ssl.CERT_REQUIRED))
    wire = await come(server, tmp_path, identity)  # in TLS 1.3 a client hears of it with its first read
    assert wire.inner.told == []
    assert wire.raw.did == ["eof"]
    assert server.refused == {TlsRefusal.CERTIFICATE_REFUSED.value: 1}


async def test_optional_means_none_or_a_good_one(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path, ssl.CERT_OPTIONAL))
    without = await come(server, tmp_path, None)
    assert without.inner.told == ["made"]
    assert without.server.certificate is None
    bad = await come(server, tmp_path, STRANGER.issue())
    assert bad.inner.told == []
    assert server.refused == {TlsRefusal.CERTIFICATE_REFUSED.value: 1}


async def resumable(
    server: Server, tmp_path: Path, identity: Issued | None
) -> tuple[ssl.SSLContext, ssl.SSLSession]:
    """A client context with a session that was established with it."""
    context = client_context(tmp_path, identity)
    wire = server.accept().hello(context=context)
    await wire.shake()
    wire.inner.transport.write(b"x")
    assert wire.hear() == b"x"
    session = wire.client.session
    assert session is not None
    assert session.has_ticket
    return context, session


async def test_a_session_is_resumed_with_its_identity(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path, ssl.CERT_REQUIRED))
    context, session = await resumable(server, tmp_path, AUTHORITY.issue("bot"))
    wire = server.accept().hello(context=context, session=session)
    await wire.shake()
    assert wire.client.session_reused
    assert wire.server.certificate is not None
    assert wire.server.certificate.subject == "CN=bot"


async def test_a_session_does_not_outlive_its_certificate(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path, ssl.CERT_REQUIRED))
    issued = AUTHORITY.issue("bot")
    context, session = await resumable(server, tmp_path, issued)
    server.wall = issued.certificate.not_valid_after_utc.timestamp() + 1
    wire = server.accept().hello(context=context, session=session)
    await wire.shake()
    assert wire.client.session_reused  # OpenSSL has no objection
    assert wire.inner.told == []
    assert server.refusals(TlsRefusal.CERTIFICATE_REFUSED) == 1


async def test_a_session_does_not_outlive_its_authority(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path, ssl.CERT_REQUIRED))
    context, session = await resumable(server, tmp_path, AUTHORITY.issue("bot"))
    server.face.renew(server_terms(tmp_path, ssl.CERT_REQUIRED, STRANGER), lambda _: True)
    wire = server.accept().hello(context=context, session=session)
    await wire.shake()
    assert not wire.client.session_reused
    assert wire.inner.told == []
    assert server.refusals(TlsRefusal.CERTIFICATE_REFUSED) == 1


async def test_no_session_is_carried_over_to_new_terms(tmp_path: Path) -> None:
    """Even where nothing was taken away: a session always stands for a check under the terms in force."""
    server = Server(server_terms(tmp_path))
    context, session = await resumable(server, tmp_path, None)
    server.face.renew(server_terms(tmp_path), None)
    wire = server.accept().hello(context=context, session=session)
    await wire.shake()
    assert not wire.client.session_reused
    assert wire.inner.told == ["made"]


async def test_withdrawn_trust_ends_connections_and_unfinished_handshakes(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path, ssl.CERT_OPTIONAL))
    known, nobody = await come(server, tmp_path, AUTHORITY.issue()), await come(server, tmp_path, None)
    unfinished = server.accept()
    server.face.renew(server_terms(tmp_path, ssl.CERT_OPTIONAL, STRANGER), lambda found: found is not None)
    assert known.inner.told == ["made", "retire"]
    assert nobody.inner.told == ["made"]
    assert unfinished.raw.did == ["abort"]
    assert server.refused == {TlsRefusal.TRUST_WITHDRAWN.value: 1}
    server.clock.now += 10.1
    server.face.sweep()
    assert known.raw.did == ["abort"]
    assert nobody.raw.did == []


async def test_a_certificate_that_expires_takes_its_connection_along(tmp_path: Path) -> None:
    issued = AUTHORITY.issue()
    server = Server(server_terms(tmp_path, ssl.CERT_OPTIONAL))
    known, nobody = await come(server, tmp_path, issued), await come(server, tmp_path, None)
    server.face.sweep()
    assert known.inner.told == ["made"]
    server.wall = issued.certificate.not_valid_after_utc.timestamp() + 1
    server.face.sweep()
    server.face.sweep()
    assert known.inner.told == ["made", "retire"]
    assert nobody.inner.told == ["made"]
    assert server.refused == {TlsRefusal.TRUST_WITHDRAWN.value: 1}


async def test_who_is_gone_is_forgotten(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path, ssl.CERT_REQUIRED))
    wire = await come(server, tmp_path, AUTHORITY.issue())
    wire.server.connection_lost(None)
    server.face.renew(server_terms(tmp_path, ssl.CERT_REQUIRED, STRANGER), lambda _: True)
    assert wire.inner.told == ["made", "lost"]
    assert server.refused == {}


async def test_two_connections_with_one_head_are_two_callers(tmp_path: Path) -> None:
    """What is remembered of a head is remembered for its own connection."""
    server = Server(server_terms(tmp_path, ssl.CERT_REQUIRED))
    seen: list[str] = []

    def handler(exchange: Exchange) -> None:
        assert exchange.certificate is not None
        seen.append(exchange.certificate.subject)
        exchange.respond(204)

    server.hub.handler = handler
    request = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    for name in ("alice", "bob", "alice"):
        wire = server.accept_http().hello(tmp_path, AUTHORITY.issue(name))
        await wire.shake()
        await wire.say(request)
        await wire.say(request)
    assert seen == ["CN=alice"] * 2 + ["CN=bob"] * 2 + ["CN=alice"] * 2


async def test_the_gateway_does_not_take_its_own_certificate_for_a_clients(tmp_path: Path) -> None:
    server = Server(server_terms(tmp_path, ssl.CERT_REQUIRED))
    assert (await come(server, tmp_path, GATEWAY)).inner.told == []


async def test_a_plain_transport_has_no_identity() -> None:
    assert FakeTransport().get_extra_info("client_certificate") is None


@pytest.mark.parametrize("busy", [False, True])
async def test_the_answer_in_progress_is_the_last(tmp_path: Path, busy: bool) -> None:
    server = Server(server_terms(tmp_path, ssl.CERT_REQUIRED))
    running: list[Exchange] = []
    server.hub.handler = running.append
    wire = server.accept_http().hello(tmp_path, AUTHORITY.issue())
    await wire.shake()
    if busy:
        await wire.say(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
    server.face.renew(server_terms(tmp_path, ssl.CERT_REQUIRED, STRANGER), lambda _: True)
    if busy:
        assert wire.raw.did == []
        running[0].respond(200, (), b"done")
        heard = wire.hear()
        assert heard.endswith(b"done")
        assert b"connection: close" in heard
    assert wire.raw.did in (["close"], ["eof"])
    assert len(running) == busy
