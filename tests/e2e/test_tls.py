"""TLS on the data plane with the clients that people have, and with files that change under load."""

import asyncio
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx2
import pytest
from cryptography import x509
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.support import raw
from tests.e2e.support.clients import ERAS, TIMEOUT_S, names, text
from tests.e2e.support.gateway import DOORWARD
from tests.e2e.support.processes import LOOPBACK, wait_until
from tests.e2e.support.secured import SecuredGateway, secured
from tests.unit.identity.pki import Authority, write

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def gw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredGateway]:
    """Nobody gets in without a certificate."""
    with secured(tmp_path_factory.mktemp("gateway"), client_ca="clients.pem") as made:
        yield made


def curl(gw: SecuredGateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["curl", "-sS", "--max-time", "10", "--cacert", gw.ca, *arguments, f"{gw.url}/healthz"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def s_client(gw: SecuredGateway, *arguments: str) -> str:
    """What openssl says of a connection over which one request is answered."""
    command = ["openssl", "s_client", "-connect", f"{LOOPBACK}:{gw.port}", "-CAfile", gw.ca]
    command += ["-cert", gw.client_cert, "-key", gw.client_key, "-alpn", "http/1.1", "-ign_eof", *arguments]
    request = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    done = subprocess.run(command, input=request, capture_output=True, timeout=20, check=False)
    said = done.stdout.decode()
    assert '{"status":"ok"}' in said, said + done.stderr.decode()
    return said


def test_curl(gw: SecuredGateway) -> None:
    identity = ("--cert", gw.client_cert, "--key", gw.client_key)
    assert json.loads(curl(gw, *identity).stdout) == {"status": "ok"}
    assert "protocol version" in curl(gw, *identity, "--tls-max", "1.2").stderr
    assert curl(gw).returncode != 0


def test_openssl_and_a_resumed_session(gw: SecuredGateway, tmp_path: Path) -> None:
    session = str(tmp_path / "session.pem")
    first = s_client(gw, "-sess_out", session)
    assert "New, TLSv1.3" in first
    assert "ALPN protocol: http/1.1" in first
    assert "Verify return code: 0 (ok)" in first
    assert "Reused, TLSv1.3" in s_client(gw, "-sess_in", session)


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_the_official_sdk(gw: SecuredGateway, mode: str) -> None:
    headers = {"Authorization": f"Bearer {gw.key('reader')}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S, verify=gw.trust()) as http,
        Client(
            streamable_http_client(f"{gw.url}/mcp/files", http_client=http),
            mode=mode,
            read_timeout_seconds=TIMEOUT_S,
        ) as client,
    ):
        assert "read_file" in await names(client)
        assert text(await client.call_tool("read_file", {"path": "a.txt"})) == "first\n"


@pytest.mark.asyncio
async def test_the_bridge(gw: SecuredGateway) -> None:
    command = ["bridge", "--url", f"{gw.url}/mcp/files", "--ca", gw.ca]
    command += ["--client-cert", gw.client_cert, "--client-key", gw.client_key]
    parameters = StdioServerParameters(command=DOORWARD, args=command, env={"DOORWARD_KEY": gw.key("reader")})
    async with Client(parameters, mode="2026-07-28", read_timeout_seconds=TIMEOUT_S) as client:
        assert text(await client.call_tool("read_file", {"path": "a.txt"})) == "first\n"


def test_the_bridge_names_files_that_it_cannot_use(gw: SecuredGateway, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    command = [DOORWARD, "bridge", "--url", f"{gw.url}/mcp", "--ca", missing]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, input="")
    assert done.returncode == 2
    assert missing in done.stderr


def test_commands_know_the_gateway_by_its_own_certificate(
    gw: SecuredGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = ("--client-cert", gw.client_cert, "--client-key", gw.client_key)
    status = json.loads(gw.run("status", "--json", *identity))
    assert status["tls"]["days"] == 0
    assert (status["tls"]["client_cert"], status["tls"]["problem"]) == ("required", None)
    assert "certificate expires within two days" in gw.run("status", *identity)
    monkeypatch.setenv("DOORWARD_KEY", gw.key("reader"))
    assert "read_file" in gw.run("tools", "list", "--server", "files", *identity)
    assert "files" in gw.run("servers", "list", *identity)
    gw.run("status", code=4)


def test_commands_talk_to_nobody_who_shows_another_certificate(
    tmp_path: Path, gw: SecuredGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock file of a gateway that is gone, and somebody else at its address."""
    lock = json.loads((gw.folder / "state" / "lock").read_text())
    (tmp_path / ".doorward").mkdir()
    (tmp_path / ".doorward" / "lock").write_text(json.dumps({**lock, "certificate": "ab" * 32}))
    (tmp_path / "doorward.yaml").write_text("version: 1\n")
    command = [DOORWARD, "status", "-c", str(tmp_path / "doorward.yaml")]
    command += ["--client-cert", gw.client_cert, "--client-key", gw.client_key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 4
    assert f"{LOOPBACK}:{gw.port} presents another certificate" in done.stderr


def test_status_tells_which_new_files_are_not_in_force(tmp_path: Path) -> None:
    """When an operator needs it most: the file does not hold what is presented, or nothing at all."""
    with secured(tmp_path) as gw:
        for bad, why in (
            (gw.authority.server().pem, "is not the key of the certificate"),
            (b"junk", "holds no PEM certificates"),
        ):
            write(gw.folder / "gateway.pem", bad)
            wait_until(lambda: why in gw.run("status"), "status says why", 10, lambda: gw.run("status"))  # noqa: B023
        issued = gw.authority.server()
        issued.write(gw.folder, "gateway")
        serial = issued.certificate.serial_number
        wait_until(lambda: serial_shown(gw) == serial, "the new certificate is shown", 10, str)
        wait_until(lambda: "not in force" not in gw.run("status"), "status knows it", 10, str)


def test_validate_looks_into_the_files(gw: SecuredGateway, tmp_path: Path) -> None:
    gw.run("config", "validate")
    _, key = gw.authority.server().write(tmp_path, "other")
    config = tmp_path / "doorward.yaml"
    config.write_text(f"version: 1\ngateway:\n  tls: {{cert: {gw.folder}/gateway.pem, key: {key}}}\n")
    command = [DOORWARD, "config", "validate", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert f"{config}:3:" in done.stderr
    assert "is not the key of the certificate" in done.stderr


class Load:
    """Calls over kept connections and over new ones, until told to stop; counts what fails."""

    def __init__(self, gw: SecuredGateway) -> None:
        self._gw = gw
        self._stop = threading.Event()
        self.calls = 0
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._kept),
            threading.Thread(target=self._kept),
            threading.Thread(target=self._fresh),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _kept(self) -> None:
        with httpx2.Client(verify=self._gw.trust(), timeout=10) as http:
            while not self._stop.is_set():
                self._call(http)

    def _fresh(self) -> None:
        while not self._stop.is_set():
            with httpx2.Client(verify=self._gw.trust(), timeout=10) as http:
                self._call(http)

    def _call(self, http: httpx2.Client) -> None:
        try:
            answer = raw.call(
                http, f"{self._gw.url}/mcp/files", self._gw.key("reader"), "read_file", {"path": "a.txt"}
            )
            if '"text":"first\\n"' not in answer.text.replace(": ", ":"):
                self.failures.append(answer.text)
        except (httpx2.HTTPError, ValueError, OSError) as error:
            self.failures.append(repr(error))
        self.calls += 1


def serial_shown(gw: SecuredGateway) -> int:
    """Of the certificate that a new connection is shown."""
    shown = ssl.get_server_certificate((LOOPBACK, gw.port))
    return x509.load_pem_x509_certificate(shown.encode()).serial_number


def test_certificates_change_under_load_without_a_failed_call(tmp_path: Path) -> None:
    with secured(tmp_path) as gw, Load(gw) as load:
        for turn in range(5):
            issued = gw.authority.server()
            if turn == 2:  # a bad one on the way: half a file
                write(gw.folder / "gateway.pem", b"-----BEGIN CERTIFICATE-----\nAAAA")
                wait_until(
                    lambda: gw.readyz().json()["tls"]["problem"] is not None,
                    "the bad file is noticed",
                    10,
                    str,
                )
                assert gw.readyz().json()["status"] == "degraded"
            issued.write(gw.folder, "gateway")
            serial = issued.certificate.serial_number
            wait_until(lambda: serial_shown(gw) == serial, "the new certificate is shown", 10, str)  # noqa: B023
        assert gw.readyz().json()["tls"]["problem"] is None
        time.sleep(0.3)
    assert load.calls > 100
    assert load.failures == []
    said = gw.process.said()
    assert said.count("the TLS files were read again") == 5
    assert said.count("the certificate that was read before stays in force") == 1


def test_the_configuration_may_name_other_files(tmp_path: Path) -> None:
    with secured(tmp_path) as gw:
        issued = gw.authority.server()
        issued.write(gw.folder, "other")
        gw.reconfigure(cert="other.pem", key="other.key", min_version="1.2")
        serial = issued.certificate.serial_number
        wait_until(lambda: serial_shown(gw) == serial, "the other certificate is shown", 10, str)
        assert gw.readyz().json()["tls"]["min_version"] == "1.2"
        assert gw.run("status")  # which knows the other file, too
        assert json.loads(curl(gw, "--tls-max", "1.2").stdout) == {"status": "ok"}

        shown = gw.process.said().count("stays in force")
        gw.reconfigure(key="gateway.key")
        wait_until(
            lambda: gw.process.said().count("stays in force") > shown, "the wrong key is refused", 10, str
        )
        assert f"{gw.config}:" in gw.process.said()
        assert serial_shown(gw) == serial


def test_an_authority_of_clients_is_replaced(tmp_path: Path) -> None:
    """Added: nobody notices. Taken away: whom it vouched for has to come again, and cannot; no session that
    it stood for is resumed."""
    with secured(tmp_path, client_ca="clients.pem") as gw:
        successor = Authority("successor")
        with Load(gw) as load:
            write(gw.folder / "clients.pem", gw.clients.pem + successor.pem)
            wait_until(lambda: "read again" in gw.process.said(), "the bundle is read", 10, str)
            time.sleep(0.5)
        assert load.calls > 20
        assert load.failures == []

        context = gw.trust()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with tls_socket(gw, context) as kept:
            assert b"200 OK" in ask(kept)
            session = kept.session
            assert session is not None
            with tls_socket(gw, context, session) as again:
                assert b"200 OK" in ask(again)
                assert again.session_reused
            gw.client_cert, gw.client_key = successor.issue("agent y").write(tmp_path, "client2")
            write(gw.folder / "clients.pem", successor.pem)
            wait_until(lambda: gw.process.said().count("read again") == 2, "the bundle is read", 10, str)
            assert kept.recv(100) == b""  # told to go
            with tls_socket(gw, context, session) as resumed:
                assert not resumed.session_reused
                with pytest.raises(ssl.SSLError, match="unknown ca"):
                    ask(resumed)
        assert gw.readyz().status_code == 200


def tls_socket(
    gw: SecuredGateway, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> ssl.SSLSocket:
    plain = socket.create_connection((LOOPBACK, gw.port), timeout=10)
    return context.wrap_socket(plain, server_hostname="localhost", session=session)


def ask(connection: ssl.SSLSocket) -> bytes:
    connection.sendall(HEALTH)
    return connection.recv(4096)


def rss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_what_an_idle_connection_holds(tmp_path: Path) -> None:
    """Each has been used once. The event loop's own TLS would hold 256 KB more, of buffers."""
    count = 300

    async def main(gw: SecuredGateway) -> float:
        async def one() -> asyncio.StreamWriter:
            reader, writer = await asyncio.open_connection(LOOPBACK, gw.port, ssl=context)
            writer.write(HEALTH)
            await reader.readuntil(b"}")
            return writer

        context = gw.trust(identity=False)
        first = [await one() for _ in range(50)]  # what is allocated once
        before = rss_kb(gw.process.pid)
        held = [await one() for _ in range(count)]
        grown = rss_kb(gw.process.pid) - before
        for writer in (*first, *held):
            writer.transport.abort()
        return grown / count

    with secured(tmp_path) as gw:
        each = asyncio.run(main(gw))
    assert each < 40, f"{each:.1f} KB each"  # 20 as measured
