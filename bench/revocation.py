"""How long somebody gets through who was just blocked or revoked: every kind of it, while others call.

A gateway of its own with an issuer, one caller who calls as fast as it is answered, and OTHERS beside it.
Each sample goes from an operator's request to the answer of the first call that is refused. Prints one
JSON object: `begin_ms` from the begin of the request, `ack_ms` from its answer (0 where the first refusal
came before that), `command_ms` from the begin of `doorward block`, which first has to start; p99s and the
largest of all.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection  # noqa: TID251 - a client that costs next to nothing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: TID251 - of a bench, for two documents
from pathlib import Path
from typing import Any

from identity import Issuer  # beside this one

Json = dict[str, Any]
KINDS = ("key", "revoked", "agent", "user", "client", "jti", "sid", "server")
ROUNDS, COMMANDS, OTHERS = 15, 5, 4
ACCEPT = "application/json, text/event-stream"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}
CALL = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "list_files", "arguments": {}, "_meta": META},
    }
)
HEADERS = {
    "Accept": ACCEPT,
    "Content-Type": "application/json",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "list_files",
}


class Caller:
    """Calls again and again over one connection, and knows when it was first refused."""

    def __init__(self, port: int, bearer: str) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {**HEADERS, "Authorization": f"Bearer {bearer}"}
        self._stopped = False
        self.calls = 0
        self.refused_at: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped and self.refused_at is None:
            self._http.request("POST", "/mcp/files", CALL, self._headers)
            answer = self._http.getresponse()
            body = answer.read()
            if answer.status != 200 or b'"isError":true' in body or b'"blocked"' in body:
                self.refused_at = time.perf_counter()
            self.calls += 1

    def settle(self) -> None:
        """Returns once it gets through."""
        seen = self.calls
        while self.calls < seen + 3:
            assert self.refused_at is None, "refused before anybody was blocked"
            time.sleep(0.001)

    def wait(self) -> float:
        """When it was first refused."""
        self._thread.join(30)
        assert self.refused_at is not None, "never refused"
        return self.refused_at

    def stop(self) -> None:
        self._stopped = True
        self._thread.join(30)
        self._http.close()


class Admin:
    """The API of the gateway, over one connection."""

    def __init__(self, state: Path) -> None:
        host, _, port = json.loads((state / "lock").read_text())["admin"].rpartition(":")
        self._http = HTTPConnection(host, int(port), timeout=60)
        self._token = (state / "operator.token").read_text().strip()

    def __call__(self, method: str, path: str, body: Json | None = None) -> Json:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._http.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = self._http.getresponse()
        said: Json = json.loads(answer.read())
        assert answer.status < 300, said
        return said

    def close(self) -> None:
        self._http.close()


@contextmanager
def publishing(issuer: "OwnIssuer") -> Iterator[str]:
    """Serves its keys; the URL that is its name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = issuer.published(f"http://127.0.0.1:{self.server.server_port}")  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class OwnIssuer(Issuer):
    """Metadata and keys in one document: each is looked for by its own members."""

    def published(self, name: str) -> bytes:
        found = [{"kid": alg, **key.as_dict(private=False)} for alg, key in self._keys.items()]
        return json.dumps({"issuer": name, "jwks_uri": f"{name}/jwks", "keys": found}).encode()


class House:
    """A gateway, and what is known of it."""

    def __init__(self, folder: Path, issuer: OwnIssuer, name: str, port: int) -> None:
        self.folder = folder
        self.port = port
        self.issuer = issuer
        self.name = name
        self._number = 0
        self.config = folder / "doorward.yaml"
        (folder / "documents").mkdir()
        grant = {"servers": ["files"], "tools": {"allow": ["*"]}}
        document = {
            "version": 1,
            "gateway": {
                "listen": f"127.0.0.1:{port}",
                "state": "state",
                "public_url": f"http://127.0.0.1:{port}",
            },
            "auth": {"keys": True, "issuers": [{"issuer": name, "jwks_uri": f"{name}/jwks"}]},
            "servers": {
                "files": {
                    "command": [
                        sys.executable,
                        "-m",
                        "doorward.demo.servers.files",
                        str(folder / "documents"),
                    ]
                }
            },
            "agents": {
                "keyed": {"grants": [grant]},
                "app": {"match": [{"issuer": name, "client_id": "*"}], "grants": [grant]},
            },
            "people": [{"issuer": name, "sub": "*", "grants": [grant]}],
        }
        self.config.write_text(json.dumps(document))

    def run(self, *words: str) -> Json:
        command = [str(Path(sys.executable).with_name("doorward")), *words, "-c", str(self.config), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        said: Json = json.loads(done.stdout)
        return said

    def bearer(self, kind: str, admin: Admin) -> tuple[str, str]:
        """Of somebody new: what it presents, and what of it is blocked."""
        if kind in ("key", "revoked", "server"):
            made = admin("POST", "/keys", {"agent": "keyed"})
            return made["key"], "files" if kind == "server" else made["id"]
        self._number += 1
        who = f"n{self._number}"
        token = self.issuer.token("ES256", iss=self.name, aud=f"http://127.0.0.1:{self.port}/mcp/files",
            sub=f"sub-{who}", client_id=f"client-{who}", jti=f"jti-{who}", sid=f"sid-{who}")  # fmt: skip
        return token, "app" if kind == "agent" else f"{kind if kind != 'user' else 'sub'}-{who}"


def sample(house: House, admin: Admin, kind: str, stop: Callable[[str], str]) -> tuple[float, float]:
    """Milliseconds from the begin, and from the answer, of what `stop` does to whom it names."""
    bearer, value = house.bearer(kind, admin)
    caller = Caller(house.port, bearer)
    caller.settle()
    began = time.perf_counter()
    block = stop(value)
    answered = time.perf_counter()
    refused = caller.wait()
    caller.stop()
    if block:
        admin("DELETE", f"/blocks/{block}")
    return (refused - began) * 1e3, max(0.0, refused - answered) * 1e3


def measured(house: House, admin: Admin) -> Json:
    begins: dict[str, list[float]] = {}
    answers: list[float] = []
    for kind in KINDS:

        def stop(value: str, kind: str = kind) -> str:
            if kind == "revoked":
                admin("DELETE", f"/keys/{value}")
                return ""
            said: str = admin("POST", "/blocks", {"kind": kind, "value": value})["id"]
            return said

        for _ in range(ROUNDS):
            begin, answer = sample(house, admin, kind, stop)
            begins.setdefault(kind, []).append(begin)
            answers.append(answer)
    commands = [
        sample(house, admin, "user", lambda value: str(house.run("block", f"user:{value}")["id"]))[0]
        for _ in range(COMMANDS)
    ]
    every = [one for found in begins.values() for one in found]
    return {
        "begin_ms": p99(every),
        "ack_ms": p99(answers),
        "command_ms": max(commands),
        "max_ms": max(every),
        **{f"{kind}_ms": p99(found) for kind, found in begins.items()},
    }


def p99(found: list[float]) -> float:
    return sorted(found)[min(len(found) - 1, int(len(found) * 0.99))]


@contextmanager
def serving(house: House) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(Path(sys.executable).with_name("doorward")), "serve", "-c", str(house.config)]
    log = (house.folder / "log").open("wb")
    running = subprocess.Popen(command, stdout=log, stderr=log, cwd=house.folder)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                http = HTTPConnection("127.0.0.1", house.port, timeout=5)
                http.request("GET", "/readyz")
                ready = json.loads(http.getresponse().read())
                http.close()
                if all(one["state"] == "up" for one in ready["servers"].values()):
                    break
            except OSError:
                pass
            assert time.monotonic() < until, (house.folder / "log").read_text()[-2000:]
            time.sleep(0.1)
        yield running
    finally:
        running.terminate()
        running.wait(60)
        log.close()


def main() -> None:
    issuer = OwnIssuer()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        name = stack.enter_context(publishing(issuer))
        with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as free:
            port = free.server_port
        house = House(folder, issuer, name, port)
        stack.enter_context(serving(house))
        admin = Admin(folder / "state")
        stack.callback(admin.close)
        others = [Caller(port, admin("POST", "/keys", {"agent": "keyed"})["key"]) for _ in range(OTHERS)]
        told = measured(house, admin)
        for other in others:
            other.stop()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
