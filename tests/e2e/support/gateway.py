"""A gateway as a user runs it: the `doorward` command, a configuration file, keys from the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.support.processes import LOOPBACK, Child, free_port
from tests.e2e.support.raw import list_tools

Json = dict[str, Any]

DOORWARD = str(Path(sys.executable).with_name("doorward"))
COMMAND_S = 120.0


class Gateway:
    """One state directory and configuration; the process may be stopped, killed and started again."""

    def __init__(self, folder: Path, config: Json) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "doorward.yaml"
        self.write(config)
        self._keys: dict[str, Json] = {}
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def process(self) -> Child:
        assert self.child is not None, "the gateway was not started"
        return self.child

    def write(self, config: Json) -> None:
        """Replaces the configuration; `config` is all of it but version and gateway. JSON is YAML too."""
        gateway = {"listen": f"{LOOPBACK}:{self.port}", "state": "state"}
        text = json.dumps({"version": 1, "gateway": gateway, **config}, indent=1)
        self.config.write_text(text + "\n", encoding="utf-8")

    def start(self, *, settled: bool = True) -> None:
        """Returns when it has looked for all its servers, or else as soon as it serves."""
        self.child = Child([DOORWARD, "serve", "-c", str(self.config)], self.folder / "gateway.log")
        self.process.wait_until(self.settled if settled else self.ready, "the gateway is ready")

    def stop(self) -> int:
        """A clean stop; the exit code."""
        return self.process.stop()

    def sweep(self) -> None:
        """Leaves no process behind, whatever state the gateway is in."""
        if self.child is not None:
            if self.child.process.poll() is None:
                self.child.process.terminate()
                try:
                    self.child.process.wait(10)
                except subprocess.TimeoutExpired:
                    pass
            self.child.sweep()

    def line_of(self, text: str) -> int:
        """The line of the configuration, from 1, where `text` stands for the first time."""
        lines = self.config.read_text(encoding="utf-8").splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)

    def ready(self) -> bool:
        """True when it serves."""
        try:
            return self.readyz().status_code == 200
        except httpx2.HTTPError:
            return False

    def settled(self) -> bool:
        """True when it serves, and offers something of every server that is up to the first agent."""
        if not self.ready():
            return False
        servers: dict[str, Json] = self.readyz().json()["servers"]
        up = [name for name, server in servers.items() if server["state"] == "up"]
        if any(server["state"] == "starting" for server in servers.values()):
            return False
        with httpx2.Client(timeout=30) as http:
            key = next(iter(self._keys.values()))["key"]
            # One that takes its time to start answers with an error until it has.
            answers = [list_tools(http, f"{self.url}/mcp/{name}", key) for name in up]
        return all(answer.get("result", {}).get("tools") for answer in answers)

    def readyz(self) -> httpx2.Response:
        return httpx2.get(f"{self.url}/readyz", timeout=5)

    def run(self, *arguments: str, code: int = 0) -> str:
        """A `doorward` command on this configuration; its stdout. Fails unless it ends with `code`."""
        done = subprocess.run(
            [DOORWARD, *arguments, "-c", str(self.config)],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert done.returncode == code, f"{arguments} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def key(self, agent: str) -> str:
        """The agent's key, made on first use."""
        if agent not in self._keys:
            self._keys[agent] = json.loads(self.run("keys", "create", "--agent", agent, "--json"))
        key: str = self._keys[agent]["key"]
        return key

    def key_id(self, agent: str) -> str:
        """What `keys revoke` takes."""
        key_id: str = self._keys[agent]["id"]
        return key_id

    def records(self) -> list[Json]:
        """The audit log, oldest first, as the command line tells it."""
        return [
            json.loads(line) for line in self.run("audit", "tail", "--json", "-n", "1000000").splitlines()
        ]

    def calls(self, method: str = "tools/call") -> list[Json]:
        """Decision records of one method."""
        decisions = [record for record in self.records() if record["kind"] == "decision"]
        return [record for record in decisions if record.get("mcp", {}).get("method") == method]

    def refusals(self) -> list[Json]:
        """Records of what was refused before anybody decided, such as credentials."""
        return [record for record in self.records() if record["kind"] == "refusal"]


@contextmanager
def running(folder: Path, config: Json) -> Iterator[Gateway]:
    """A ready gateway for a while, with a key for each agent."""
    made = Gateway(folder, config)
    for agent in config["agents"]:
        made.key(agent)
    try:
        made.start()
        yield made
    finally:
        made.sweep()
