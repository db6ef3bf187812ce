"""`Upgrade: h2c` is ignored: the JDK's HttpClient offers it with its very first POST unless told not to."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from tests.e2e.conftest import Start
from tests.e2e.support import servers
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens

CLIENT = Path(__file__).with_name("java") / "McpClient.java"
JAVA_S = 60.0


class Tap:
    """Between a client and a port; keeps what the client sends."""

    def __init__(self, listener: socket.socket, port: int) -> None:
        self.sent = b""
        self._listener = listener
        self._port = port

    def serve(self) -> None:
        with suppress(OSError):  # the listener was closed: that is the end
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((LOOPBACK, self._port))
                Thread(target=self._carry, args=(client, server, True), daemon=True).start()
                Thread(target=self._carry, args=(server, client, False), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, kept: bool) -> None:
        with one, suppress(OSError):
            while data := one.recv(65536):
                if kept:
                    self.sent += data
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


@contextmanager
def tapped(port: int) -> Iterator[tuple[Tap, int]]:
    with socket.create_server((LOOPBACK, 0)) as listener:
        tap = Tap(listener, port)
        serving = Thread(target=tap.serve, daemon=True)
        serving.start()
        yield tap, listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(5)


def test_the_jdks_default_client_works(start: Start, tmp_path: Path) -> None:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        servers.missing("a JDK")
    port = free_port()
    with child(servers.crm(tmp_path / "crm.sqlite3", port), tmp_path / "crm.log") as crm:
        crm.wait_until(lambda: listens(port), "the CRM listens")
        grant = {"servers": ["crm"], "tools": {"allow": ["find_*"]}}
        config = {"crm": {"url": f"http://{LOOPBACK}:{port}/mcp"}}
        gw = start({"servers": config, "agents": {"user": {"grants": [grant]}}})
        with tapped(gw.port) as (tap, reached):
            url = f"http://{LOOPBACK}:{reached}/mcp/crm"
            done = subprocess.run(
                [java, str(CLIENT), url, gw.key("user")],
                capture_output=True,
                text=True,
                timeout=JAVA_S,
                check=False,
                cwd=tmp_path,
            )
    assert done.returncode == 0, done.stderr
    initialized, accepted, *called = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert initialized[:2] == ["HTTP_1_1", "200"]
    assert json.loads(initialized[2])["result"]["protocolVersion"] == "2025-11-25"
    assert accepted[:2] == ["HTTP_1_1", "202"]
    for number, (version, status, body) in enumerate(called, 2):
        assert (version, status) == ("HTTP_1_1", "200")
        answer = json.loads(body)
        assert answer["id"] == number
        assert "Quill" in answer["result"]["content"][0]["text"]
    assert len(called) == len(gw.calls()) == 2

    # It did offer what was ignored, with a body of either kind, and without the switch it would wait for.
    first = tap.sent.partition(b"\r\n\r\n")[0]
    assert b"\r\nUpgrade: h2c" in first
    assert b"\r\nHTTP2-Settings: " in first
    assert b"Connection: Upgrade, HTTP2-Settings" in first
    assert b"transfer-encoding: chunked" in tap.sent.lower()
