"""Over loopback sockets: what the library does with redirects, sizes and certificates has to be right."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doorward.backends.web.fetch import WebFetch
from doorward.ports.fetch import Basic, Fetched, FetchFailed
from tests.unit.identity.pki import Authority, write

pytestmark = pytest.mark.enable_socket
OK = b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}"
Answer = bytes | Callable[[asyncio.StreamWriter], None]


class Stage:
    """Answers everything with the same bytes, and keeps what it was asked."""

    def __init__(self, answer: bytes, url: str) -> None:
        self.answer, self.url = answer, url
        self.heads: list[str] = []
        self.bodies: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.asked = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                self.asked.set()
                length = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
                if length:
                    self.bodies.append((await reader.readexactly(int(length[0].split(":")[1]))).decode())
                await self.hold.wait()
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass


@asynccontextmanager
async def stage(answer: bytes = OK, tls: ssl.SSLContext | None = None) -> AsyncIterator[Stage]:
    made = Stage(answer, "")
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    made.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}/x"
    try:
        yield made
    finally:
        made.hold.set()
        server.close()
        for writer in made.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def fetching() -> AsyncIterator[WebFetch]:
    made = WebFetch()
    try:
        yield made
    finally:
        await made.close()


def response(status: str, body: bytes = b"", *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.asyncio
async def test_a_document_comes_with_status_and_kind() -> None:
    async with stage() as at, fetching() as web:
        for _ in range(2):
            assert await web.get(at.url, most=2) == Fetched(200, b"{}", "application/json")
        head = at.heads[0].lower()
        assert head.startswith("get /x http/1.1")
        assert "accept: application/json" in head
        assert "authorization" not in head
        assert "cookie" not in head


@pytest.mark.asyncio
async def test_a_form_is_sent_with_our_credential() -> None:
    async with stage() as at, fetching() as web:
        await web.post(at.url, {"token": "a+b c"}, most=9, basic=Basic("gate way", "s3cret/+"))
        assert at.bodies == ["token=a%2Bb+c"]
        coded = base64.b64encode(b"gate+way:s3cret%2F%2B").decode()
        assert f"authorization: basic {coded}".lower() in at.heads[0].lower()
        await web.post(at.url, {"token": "x"}, most=9)
        assert "authorization" not in at.heads[1].lower()


@pytest.mark.asyncio
async def test_nobody_is_followed_anywhere() -> None:
    async with (
        stage() as other,
        stage(response("302 Found", b"", f"Location: {other.url}")) as at,
        fetching() as web,
    ):
        assert (await web.get(at.url, most=9)).status == 302
        assert other.heads == []


@pytest.mark.asyncio
async def test_cookies_are_forgotten() -> None:
    async with stage(response("200 OK", b"{}", "Set-Cookie: a=b; Path=/")) as at, fetching() as web:
        for _ in range(2):
            await web.get(at.url, most=9)
        assert "cookie" not in at.heads[1].lower()


BAD = {
    "too large": response("200 OK", b"x" * 100),
    "too large, in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n"
    + b"x" * 100
    + b"\r\n",
    "compressed": response("200 OK", b"x", "Content-Encoding: gzip"),
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nx",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
async def test_what_is_no_answer_that_can_be_used(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as at, fetching() as web:
        await web.get(at.url, most=50)  # which takes its time, because it reads the system's authorities
        monkeypatch.setattr("doorward.backends.web.fetch.TIMEOUT_S", 0.5)
        at.answer = answer
        with pytest.raises(FetchFailed):
            await web.get(at.url, most=50)
        monkeypatch.undo()
        at.answer = OK
        assert (await web.get(at.url, most=50)).status == 200


@pytest.mark.asyncio
async def test_who_does_not_answer_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.backends.web.fetch.TIMEOUT_S", 0.05)
    async with stage() as at, fetching() as web:
        at.hold.clear()
        with pytest.raises(FetchFailed, match="within"):
            await web.get(at.url, most=9)


@pytest.mark.asyncio
async def test_nobody_listening_is_said_without_the_peers_words() -> None:
    async with stage() as at:
        url = at.url
    async with fetching() as web:
        with pytest.raises(FetchFailed, match=r"cannot be asked \(ConnectError\)"):
            await web.get(url, most=9)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "url",
    ["http://192.0.2.1/x", "http://localhost.example/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "", "x"],
)
async def test_only_https_and_this_machine_are_asked(url: str) -> None:
    async with fetching() as web:
        with pytest.raises(FetchFailed, match="URL"):
            await web.get(url, most=9)


@pytest.mark.asyncio
async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as proxy, stage() as at, fetching() as web:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        await web.get(at.url, most=9)
        assert (len(at.heads), proxy.heads) == (1, [])


@pytest.mark.asyncio
async def test_tls_is_checked_against_the_authorities_as_they_are_now(tmp_path: Path) -> None:
    authority, stranger = Authority(), Authority("stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server().write(tmp_path, "server"))
    ca = write(tmp_path / "ca.pem", stranger.pem)
    async with stage(tls=context) as at, fetching() as web:
        for trusted in (None, ca, str(tmp_path / "missing.pem")):
            with pytest.raises(FetchFailed):
                await web.get(at.url, most=9, ca=trusted)
        write(tmp_path / "ca.pem", authority.pem)
        assert (await web.get(at.url, most=9, ca=ca)).status == 200
        with pytest.raises(FetchFailed):
            await web.get(at.url.replace("127.0.0.1", "127.0.0.2"), most=9, ca=ca)
        assert len(at.heads) == 1


@pytest.mark.asyncio
async def test_one_failure_does_not_cut_off_another_question(tmp_path: Path) -> None:
    """Authorities are read again after a failure; who is in the middle of a question keeps its connection."""
    ca = write(tmp_path / "ca.pem", Authority().pem)
    async with stage() as gone:
        nobody = gone.url
    async with stage() as slow, fetching() as web:
        slow.hold.clear()
        asking = asyncio.create_task(web.get(slow.url, most=9, ca=ca))
        await slow.asked.wait()
        with pytest.raises(FetchFailed):
            await web.get(nobody, most=9, ca=ca)
        slow.hold.set()
        assert (await asking).status == 200
