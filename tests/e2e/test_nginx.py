"""Callers behind whom somebody smuggles: nginx, as a server's front, sees exactly the calls on record."""

import json
import re
import socket
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.attack.framing import corpus
from tests.attack.nginx import KEPT, nginx
from tests.e2e.conftest import Start
from tests.e2e.support import raw, servers
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens


def call(marker: str, key: str, framing: Sequence[bytes], body: bytes | None = None) -> bytes:
    """A modern call of find_customers whose query is `marker`, framed as told."""
    headers = raw.headers(key, "tools/call", "find_customers")
    lines = [f"{name}: {value}".encode() for name, value in headers.items()]
    start = [
        b"POST /mcp/crm HTTP/1.1",
        b"Host: localhost",
        b"Content-Type: application/json",
        *lines,
        *framing,
    ]
    return b"\r\n".join(start) + b"\r\n\r\n" + (message(marker) if body is None else body)


def message(marker: str) -> bytes:
    params = {"name": "find_customers", "arguments": {"query": marker}}
    return json.dumps(raw.request(marker, "tools/call", params)).encode()


def plain(marker: str, key: str, *more: bytes) -> bytes:
    body = message(marker)
    return call(marker, key, [b"Content-Length: %d" % len(body), *more], body)


def smuggling(key: str) -> list[bytes]:
    """A call with each known trick in its framing, and a second call behind or inside it, all numbered."""
    shown, hidden = "shown-000", "hidden-000"
    found: list[bytes] = []

    def add(framing: Sequence[bytes], body: bytes) -> None:
        given = call(shown, key, framing, body + plain(hidden, key, b"Connection: close"))
        found.append(given.replace(b"n-000", b"n-%03d" % len(found)))

    body = message(shown)
    length, coding = b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked"
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    add([length], body)
    add([coding], chunked)
    for line in corpus.ENCODINGS:
        add([length, line], body)  # CL.TE
        add([line, b"Content-Length: %d" % len(chunked)], chunked)  # TE.CL
        add([coding, line], chunked)  # TE.TE
    for line in corpus.LENGTHS:
        add([length, line.replace(b"5", b"0")], body)  # CL.CL
        add([line.replace(b"5", b"%d" % len(body))], body)
    for size in corpus.SIZES:
        add([coding], chunked.replace(b"%x" % len(body), size.replace(b"5", b"%x" % len(body)), 1))
    for end in corpus.LINE_ENDS:
        add([coding], chunked.replace(b"\r\n", end, 1))
        add([coding + end.replace(b"\r\n", b"", 1), b"X: y"], chunked)
        add([b"X: y" + end + length], body)
    for trailer in corpus.TRAILERS:
        add([coding], chunked[:-2] + trailer + b"\r\n\r\n")
    return found


def send(port: int, data: bytes) -> bytes:
    answer = b""
    with socket.create_connection((LOOPBACK, port)) as client, suppress(TimeoutError, ConnectionError):
        client.settimeout(1.0)
        client.sendall(data)
        while got := client.recv(65536):
            answer += got
    return answer


def test_a_call_at_nginx_is_a_call_on_record(start: Start, tmp_path: Path) -> None:
    crm_port = free_port()
    with child(servers.crm(tmp_path / "crm.sqlite3", crm_port), tmp_path / "crm.log") as crm:
        crm.wait_until(lambda: listens(crm_port), "the CRM listens")
        with nginx(tmp_path, crm_port, {"plain": (KEPT + "proxy_set_header Host $http_host;", "")}) as proxy:
            grant = {"servers": ["crm"], "tools": {"allow": ["find_*"]}}
            config = {"url": f"{proxy.url('plain')}/mcp"}
            gw = start({"servers": {"crm": config}, "agents": {"user": {"grants": [grant]}}})
            given = smuggling(gw.key("user"))
            answers = [send(gw.port, data) for data in given]
            gw.stop()
            bodies = [line["body"] for line in proxy.log() if '"tools/call"' in line["body"]]

    sent = Counter(re.findall(r"(?:shown|hidden)-\d{3}", "".join(bodies)))
    permits = [record for record in gw.calls() if record["decision"]["effect"] == "permit"]
    assert len(bodies) == len(permits) == sum(sent.values()) > 10
    # Where the second call was served, it was as a request of its own: two answers, in order.
    served = sum(answer.count(b"HTTP/1.1 200 ") for answer in answers)
    assert served == len(permits)
    refused = sum(answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")) for answer in answers)
    assert refused > len(given) / 2
