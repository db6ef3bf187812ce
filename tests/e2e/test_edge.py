"""The HTTP edge of a running gateway: slow readers of streams, disconnects, stops, proxies, Unix sockets."""

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.e2e.conftest import Start
from tests.e2e.support.flood import Flood, flooding
from tests.e2e.support.gateway import DOORWARD, Gateway
from tests.e2e.support.processes import Child, wait_until
from tests.e2e.support.raw import headers, request

MIB = 1024 * 1024
AGENTS = {"a": {"grants": [{"servers": ["*"], "tools": {"allow": ["*"]}}]}}


@pytest.fixture
def flood() -> Iterator[Flood]:
    with flooding() as server:
        yield server


@pytest.fixture
def gw(start: Start, flood: Flood) -> Gateway:
    return start({"servers": {"flood": {"url": flood.url, "timeout": "30s"}}, "agents": AGENTS})


class Wire:
    """One connection, spoken byte by byte."""

    def __init__(self, gw: Gateway, *, receive: int | None = None, path: str | None = None) -> None:
        self._gw = gw
        if path is None:
            self.sock = socket.socket()
            if receive is not None:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            self.sock.connect(("127.0.0.1", gw.port))
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(path)
        self.sock.settimeout(15)
        self.session: dict[str, str] = {}

    def send(self, message: dict[str, Any], fields: dict[str, str], *, only_head: bool = False) -> None:
        body = json.dumps(message).encode()
        lines = [f"{name}: {value}" for name, value in fields.items()]
        lines += ["Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        head = "POST /mcp/flood HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
        self.sock.sendall(head.encode() + (b"" if only_head else body))

    def legacy(self, tool: str) -> None:
        """Shake hands in 2025-11-25, then call a tool; its answer is not read."""
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "e", "version": "1"},
        }
        self.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, self.fields())
        found = re.search(r"mcp-session-id: (\S+)", self.read_until(b"serverInfo").decode())
        assert found
        self.session = {"Mcp-Session-Id": found[1], "MCP-Protocol-Version": "2025-11-25"}
        params = {"name": tool, "arguments": {}, "_meta": {"progressToken": 7}}
        self.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, self.fields())

    def modern(self, tool: str) -> None:
        message = request(1, "tools/call", {"name": tool, "arguments": {}})
        message["params"]["_meta"]["progressToken"] = 7
        self.send(message, headers(self._gw.key("a"), "tools/call", tool))

    def fields(self) -> dict[str, str]:
        accept = "application/json, text/event-stream"
        return {"Authorization": f"Bearer {self._gw.key('a')}", "Accept": accept, **self.session}

    def read_until(self, end: bytes) -> bytes:
        got = b""
        while end not in got:
            data = self.sock.recv(65536)
            assert data, f"closed after {got[-2000:]!r}"
            got += data
        return got

    def read(self) -> bytes:
        """Everything up to the end of the connection."""
        got = b""
        while data := self.sock.recv(65536):
            got += data
        return got

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def rss(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def outcomes(gw: Gateway) -> list[str]:
    return [record["result"]["outcome"] for record in gw.records() if record["kind"] == "outcome"][-1:]


# back-pressure


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_slow_reader_stops_the_server_and_costs_us_nothing(gw: Gateway, flood: Flood, era: str) -> None:
    """The server sends as fast as it can, the caller takes nothing: below 4 MiB of it stay with us, the rest
    is in the kernels' buffers until those stop the server."""
    with Wire(gw, receive=4096) as wire:
        before = rss(gw.process.pid)
        getattr(wire, era)("flood")
        assert flood.called.wait(10)
        stopped = stalls(flood)
        assert stopped < 32 * MIB
        assert rss(gw.process.pid) - before < 4 * MIB
        # The caller reads on, and the server goes on.
        got = 0
        while got < 2 * stopped:
            got += len(wire.sock.recv(MIB))
        assert flood.sent > stopped
        assert rss(gw.process.pid) - before < 6 * MIB
        flood.finish.set()
        assert b'"text":"done"' in wire.read_until(b"0\r\n\r\n")


def stalls(flood: Flood) -> int:
    """Waits until nothing more gets out; how much that was."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        sent = flood.sent
        time.sleep(0.5)
        if flood.sent == sent:
            return sent
    raise AssertionError(f"still sending after {flood.sent} bytes")


@pytest.mark.spec("DW-371", "DW-824")
def test_events_are_passed_on_at_once(gw: Gateway, flood: Flood) -> None:
    with Wire(gw) as wire:
        wire.modern("flood")
        started = time.monotonic()
        wire.read_until(b'"progress":1,')
        assert time.monotonic() - started < 20
        flood.finish.set()
        answer = wire.read_until(b"0\r\n\r\n")
        assert b'"text":"done"' in answer


# disconnects


@pytest.mark.spec("DW-213")
@pytest.mark.parametrize("tool", ["slow", "flood"])
@pytest.mark.parametrize("how", ["close", "half"])
def test_a_modern_caller_that_leaves_cancels_its_call_at_once(
    gw: Gateway, flood: Flood, tool: str, how: str
) -> None:
    with Wire(gw) as wire:
        wire.modern(tool)
        assert flood.called.wait(10)
        if how == "half":
            wire.sock.shutdown(socket.SHUT_WR)
            assert b'"cancelled"' in wire.read()
        else:
            wire.sock.close()
        assert flood.hung_up.wait(2) or flood.cancelled.wait(0.1)
    gw.stop()
    assert outcomes(gw) == ["cancelled"]


@pytest.mark.spec("DW-212")
@pytest.mark.parametrize("how", ["close", "half"])
def test_a_legacy_caller_that_leaves_cancels_nothing(gw: Gateway, flood: Flood, how: str) -> None:
    with Wire(gw) as wire:
        wire.legacy("slow")
        assert flood.called.wait(10)
        if how == "half":
            wire.sock.shutdown(socket.SHUT_WR)
        else:
            wire.sock.close()
        assert not flood.hung_up.wait(0.5)
        assert not flood.cancelled.is_set()
        flood.finish.set()
        if how == "half":
            answer = wire.read()
            assert b'"text":"done"' in answer
            assert b"\r\nconnection: close\r\n" in answer
    gw.stop()
    assert outcomes(gw) == ["ok"]


# bodies that are refused before they are sent


def test_a_body_is_asked_for_only_of_whom_we_know(gw: Gateway, flood: Flood) -> None:
    expecting = {"Expect": "100-continue", "Accept": "application/json, text/event-stream"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with Wire(gw) as wire:
        wire.send(message, expecting, only_head=True)
        answer = wire.read()
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b'"credential_missing"' in answer
        assert b"\r\nconnection: close\r\n" in answer
    with Wire(gw) as wire:
        wire.send(message, {**expecting, "Authorization": f"Bearer {gw.key('a')}"}, only_head=True)
        assert wire.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    with Wire(gw) as wire:
        wire.send(message, {**expecting, "Expect": "a-miracle"}, only_head=True)
        assert wire.read().startswith(b"HTTP/1.1 417 ")


# stopping


def test_a_stop_answers_what_runs_tells_streams_and_cuts_the_rest_by_name(start: Start, flood: Flood) -> None:
    gw = start({"servers": {"flood": {"url": flood.url}}, "agents": AGENTS})
    with Wire(gw) as stream, Wire(gw) as cut, Wire(gw) as idle:
        idle.send({"jsonrpc": "2.0", "id": 1, "method": "ping"}, idle.fields())
        idle.read_until(b"\r\n\r\n")
        stream.legacy("slow")
        with Wire(gw) as listening:
            fields = {**stream.fields(), "Accept": "text/event-stream", "Host": "localhost"}
            lines = "\r\n".join(f"{name}: {value}" for name, value in fields.items())
            listening.sock.sendall(f"GET /mcp/flood HTTP/1.1\r\n{lines}\r\n\r\n".encode())
            listening.read_until(b"\r\n\r\n")
            cut.modern("flood")
            assert flood.called.wait(10)
            cut.read_until(b'"progress":3,')
            gw.process.process.send_signal(signal.SIGTERM)
            farewell = listening.read()
            assert b": the gateway is stopping\nretry: 1000\n\n" in farewell
            assert farewell.endswith(b"\r\n0\r\n\r\n")
            assert idle.read() == b""
            refused = socket.socket()
            wait_until(lambda: refused.connect_ex(("127.0.0.1", gw.port)) != 0, "the listener closes")
            refused.close()
            flood.finish.set()
            assert b'"text":"done"' in stream.read()
            assert b'"text":"done"' in cut.read()
        assert gw.process.process.wait(15) == 0
    assert "were cut" not in gw.process.said()


def test_what_does_not_end_in_time_is_cut_with_an_error_of_its_own(start: Start, flood: Flood) -> None:
    gw = start({"servers": {"flood": {"url": flood.url}}, "agents": AGENTS})
    text = gw.config.read_text().replace('"state": "state"', '"state": "state", "drain": "500ms"')
    gw.config.write_text(text)
    gw.stop()
    gw.start()
    with Wire(gw) as plain, Wire(gw) as streamed:
        plain.legacy("slow")
        streamed.modern("flood")
        streamed.read_until(b'"progress":2,')
        assert flood.called.wait(10)
        time.sleep(0.3)
        gw.process.process.send_signal(signal.SIGTERM)
        answer = plain.read()
        assert b'"call_cut"' in answer
        ended = streamed.read()
        assert b'"call_cut"' in ended
        assert ended.endswith(b"0\r\n\r\n")
        assert gw.process.process.wait(15) == 0
    assert "2 calls were cut at the deadline" in gw.process.said()


# where it listens, and what stands in front


def test_on_a_unix_socket(start: Start, flood: Flood) -> None:
    gw = start({"servers": {"flood": {"url": flood.url}}, "agents": AGENTS})
    path = gw.folder / "gw.sock"
    gw.stop()
    gw.config.write_text(gw.config.read_text().replace(f"127.0.0.1:{gw.port}", f"unix:{path}"))
    gw.key("a")
    gw.process.log.write_text("")
    child = restart(gw)
    try:
        child.wait_until(lambda: "listening on unix:" in child.said(), "it listens")
        assert path.stat().st_mode & 0o777 == 0o600
        with Wire(gw, path=str(path)) as wire:
            flood.finish.set()
            wire.legacy("slow")
            assert b'"text":"done"' in wire.read_until(b"done")
        assert "ready at unix:" in gw.run("status")
        child.kill()  # leaves its socket behind
        assert path.is_socket()
        child = restart(gw)
        child.wait_until(lambda: child.said().count("listening on unix:") == 2, "it listens again")
        assert child.stop() == 0
        assert not path.exists()
    finally:
        child.sweep()


def test_on_a_port_and_a_unix_socket_at_once(start: Start, flood: Flood) -> None:
    """The same gateway behind both; our own commands use the first."""
    gw = start({"servers": {"flood": {"url": flood.url}}, "agents": AGENTS})
    gw.stop()
    tcp = f"127.0.0.1:{gw.port}"
    gw.config.write_text(gw.config.read_text().replace(f'"{tcp}"', f'["unix:gw.sock", "{tcp}"]'))
    gw.key("a")
    gw.process.log.write_text("")
    gw.child = restart(gw)
    path = gw.folder / "gw.sock"
    gw.process.wait_until(
        lambda: f"listening on unix:{path}, http://{tcp}/mcp" in gw.process.said(), "it listens"
    )
    flood.finish.set()
    for wire in (Wire(gw, path=str(path)), Wire(gw)):
        with wire:
            wire.legacy("slow")
            assert b'"text":"done"' in wire.read_until(b"done")
    assert "ready at unix:" in gw.run("status")
    assert gw.stop() == 0
    assert not path.exists()


def restart(gw: Gateway) -> Child:
    """Without asking whether it is ready over TCP."""
    return Child([DOORWARD, "serve", "-c", str(gw.config)], gw.folder / "gateway.log")


def configured(start: Start, flood: Flood, **gateway: Any) -> Gateway:
    """A gateway with more under `gateway:`, and what it said before forgotten."""
    crash = [sys.executable, "-c", "import sys; sys.exit('my password is swordfish')"]
    servers = {"flood": {"url": flood.url}, "broken": {"command": crash}}
    gw = start({"servers": servers, "agents": AGENTS})
    gw.key("a")
    gw.stop()
    document = json.loads(gw.config.read_text())
    document["gateway"] |= gateway
    gw.config.write_text(json.dumps(document))
    gw.process.log.write_text("")
    gw.child = restart(gw)
    gw.process.wait_until(lambda: "listening on" in gw.process.said(), "it listens")
    return gw


def get(gw: Gateway, path: str, fields: str = "", first: bytes = b"") -> bytes:
    with Wire(gw) as wire:
        wire.sock.sendall(first + f"GET {path} HTTP/1.0\r\nHost: localhost\r\n{fields}\r\n".encode())
        return wire.read()


def test_an_operator_is_told_more_than_an_agent_on_the_same_machine(start: Start, flood: Flood) -> None:
    gw = configured(start, flood)
    wait_until(lambda: b'"down"' in get(gw, "/readyz"), "the broken server is given up")
    get(gw, "http://absolute/")

    agent = get(gw, "/readyz")
    assert b'"broken"' in agent
    assert b"swordfish" not in agent
    assert b"refused" not in agent
    assert b"broken" not in get(gw, "/readyz", "Via: x\r\n")
    status = json.loads(gw.run("status", "--json"))
    assert "swordfish" in status["servers"]["broken"]["details"]
    assert status["http"]["refused"] == {"target_form": 1}
    assert status["http"]["connections_max"] == 4096
    shown = gw.run("status")
    assert "refused: target_form 1" in shown
    assert "swordfish" in shown


def test_behind_a_trusted_proxy_the_client_stands_in_the_record(start: Start, flood: Flood) -> None:
    gw = configured(start, flood, trusted_proxies=["127.0.0.1"])
    assert get(gw, "/elsewhere", "X-Forwarded-For: 1.1.1.1, 198.51.100.7\r\n").startswith(b"HTTP/1.1 404 ")
    assert get(gw, "/mcp", 'Forwarded: for="\r\n').startswith(b"HTTP/1.1 400 ")
    assert b"broken" not in get(gw, "/readyz")  # a proxy is never a direct loopback caller
    assert "flood" in gw.run("status")  # and an operator needs no such thing
    gw.stop()
    refusals = [record for record in gw.records() if record["kind"] == "refusal"]
    assert [(record["reason"], record["peer"]) for record in refusals][:2] == [
        ("path_not_found", "198.51.100.0/24"),
        ("forwarded_invalid", "127.0.0.0/24"),
    ]


def test_behind_a_proxy_that_sends_headers_of_its_own(start: Start, flood: Flood) -> None:
    gw = configured(start, flood, proxy_protocol=["127.0.0.0/8"])
    preface = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([198, 51, 100, 7, 127, 0, 0, 1, 1, 1, 2, 2])
    assert get(gw, "/elsewhere", first=preface).startswith(b"HTTP/1.1 404 ")
    try:
        assert get(gw, "/healthz") == b""
    except ConnectionError:
        pass  # cut without a word
    assert "flood" in gw.run("status")  # our own commands introduce themselves
    assert json.loads(gw.run("status", "--json"))["http"]["refused"] == {"proxy_malformed": 1}
    gw.stop()
    refusals = [record for record in gw.records() if record["kind"] == "refusal"]
    assert [record["peer"] for record in refusals] == ["198.51.100.0/24"]
