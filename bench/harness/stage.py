"""The stage: compiled tools, prepared replies, and the servers of one bench run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import processes, usage

# The ports of the configuration files; taken ones are replaced through the environment that those files read.
PORTS = {"direct": 7433, "nginx": 7434, "relay": 7431, "governed": 7432, "relay_tls": 7435, "nginx_tls": 7436}
SERVE_SECONDS = 900
CLI_SECONDS = 60.0


class Unusable(Exception):
    """The bench cannot run as things are; the text says what to do."""


@dataclass(frozen=True)
class Target:
    """Something that can be called: the upstream itself, nginx, or a gateway. Its process tree is charged,
    but for the upstreams that a gateway runs as children."""

    port: int
    paths: str  # with a place for the endpoint
    pid: int
    key: str = "none"
    children: frozenset[int] = frozenset()

    def path(self, endpoint: str) -> str:
        return self.paths.format(endpoint, f"-{endpoint}".removesuffix("-echo"))


@dataclass(frozen=True)
class Stage:
    targets: dict[str, Target]
    load: Path
    listing: tuple[str, ...]
    """The command that measures lists."""
    identity: tuple[str, ...]
    revocation: tuple[str, ...]
    """The command that measures keys and tokens."""
    api: tuple[str, ...]
    """The command that asks the admin API."""
    evidence: tuple[str, ...]
    """The command that measures parts of the audit log."""
    place: Path
    """For what a measurement writes: the disk of the gateways' state."""
    another_relay: Callable[[], contextlib.AbstractContextManager[Target]]
    """Starts a gateway that nobody has called yet, with four keys."""

    def choose_replies(self, reply: str) -> None:
        if processes.status_of(self.targets["direct"].port, f"POST /replies/{reply}") != 204:
            raise Unusable(f"the echo upstream knows no replies called {reply}")


def newer(made: Path, *sources: Path) -> bool:
    return made.exists() and all(made.stat().st_mtime >= source.stat().st_mtime for source in sources)


def compile_tools(bench: Path, place: Path) -> None:
    for tool in ("echo", "load", "pipe"):
        source, binary = bench / f"{tool}.c", place / tool
        if not newer(binary, source, bench / "scan.h", bench / "replies.h"):
            libraries = ["-lssl", "-lcrypto"] if tool == "load" else []
            command = ["cc", "-O2", "-std=gnu11", "-o", str(binary), str(source), *libraries]
            subprocess.run(command, check=True)


def make_certificate(place: Path) -> None:
    """server.pem and server.key: P-256, as most servers have. Nobody looks at the name."""
    certificate, key = place / "server.pem", place / "server.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=localhost", "-days", "90", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o600)


def prepare_replies(bench: Path, place: Path) -> dict[str, Path]:
    """12,000 single records, 2,048 pages of some 8 and 512 of some 50: all beyond 10,000 records."""
    sizes = {
        "json_1k": ["--count", "12000"],
        "json_10k": ["--count", "2048", "--page-bytes", "10240"],
        "json_64k": ["--count", "512", "--page-bytes", "65536"],
    }
    files = {name: place / f"{name}.ndjson" for name in sizes}
    for name, file in files.items():
        if not newer(file, bench / "docs.py"):
            subprocess.run([sys.executable, str(bench / "docs.py"), str(file), *sizes[name]], check=True)
    return files


def find_nginx() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Unusable("nginx is missing: scripts/debian-packages nginx")
    return found


def nginx_command(bench: Path, place: Path, listen: int, listen_tls: int, upstream: int) -> list[str]:
    text = (bench / "nginx.conf").read_text()
    values = {"LISTEN": listen, "LISTEN_TLS": listen_tls, "UPSTREAM": upstream, "PLACE": place}
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    configuration = place / "nginx.conf"
    configuration.write_text(text)
    return [find_nginx(), "-p", str(place), "-c", str(configuration), "-e", str(place / "nginx-errors.log")]


def mint_key(doorward: Path, configuration: Path, environment: dict[str, str], name: str = "bench") -> str:
    command = [str(doorward), "keys", "create", "--agent", "bench", "--name", name]
    command += ["-c", str(configuration), "--json"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=CLI_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise Unusable(
            f"`doorward keys create -c {configuration.name}` gave {done.returncode}:\n{done.stderr}"
        )
    return str(json.loads(done.stdout)["key"])


@contextlib.contextmanager
def gateway(
    name: str, doorward: Path, bench: Path, place: Path, upstream: int, *, alone: bool = False, keys: int = 1
) -> Iterator[Target]:
    """One gateway on fresh state: an audit log of earlier runs would be read at start and fill the disk.

    `alone`: beside another of its name, with a state directory and a port of its own. `keys`: how many owners
    of sessions its callers are; the target's key then is a list with commas.
    """
    configuration = bench / f"{name}.yaml"
    state = place / (f"state-{name}-alone" if alone else f"state-{name}")
    port = processes.free_port(0 if alone else PORTS[name])
    environment = {
        f"BENCH_{name.upper()}_LISTEN": f"127.0.0.1:{port}",
        f"BENCH_{name.upper()}_STATE": str(state),
        "BENCH_UPSTREAM": f"http://127.0.0.1:{upstream}/mcp",
    }
    shutil.rmtree(state, ignore_errors=True)
    minted = [mint_key(doorward, configuration, environment, f"bench{number}") for number in range(keys)]
    command = [str(doorward), "serve", "-c", str(configuration)]
    try:
        with processes.running(
            state.name.removeprefix("state-"),
            command,
            port=port,
            place=place,
            ready_path=None if name.endswith("_tls") else "/readyz",
            environment=environment,
        ) as pid:
            yield Target(port, "/mcp/{0}", pid, ",".join(minted), usage.children(pid, "pipe"))
    finally:
        shutil.rmtree(state, ignore_errors=True)


@contextlib.contextmanager
def set_up(bench: Path, place: Path, doorward: Path, gateways: Sequence[str]) -> Iterator[Stage]:
    """Everything that a run needs, on loopback, until the block ends."""
    if gateways and not doorward.exists():
        raise Unusable("the gateway is not installed here; BENCH=nginx_...,direct_... measures without it")
    place.mkdir(parents=True, exist_ok=True)
    compile_tools(bench, place)
    make_certificate(place)
    replies = prepare_replies(bench, place)
    with contextlib.ExitStack() as stack:
        upstream, proxy = processes.free_port(PORTS["direct"]), processes.free_port(PORTS["nginx"])
        echo = [str(place / "echo"), "--port", str(upstream), "--seconds", str(SERVE_SECONDS)]
        echo += [part for name, file in replies.items() for part in ("--replies", f"{name}={file}")]
        pid = stack.enter_context(processes.running("echo", echo, port=upstream, place=place))
        targets = {"direct": Target(upstream, "/mcp{1}", pid)}
        proxy_tls = processes.free_port(PORTS["nginx_tls"])
        command = nginx_command(bench, place, proxy, proxy_tls, upstream)
        pid = stack.enter_context(processes.running("nginx", command, port=proxy, place=place))
        targets["nginx"] = Target(proxy, "/mcp{1}", pid)
        targets["nginx_tls"] = Target(proxy_tls, "/mcp{1}", pid)
        for name in gateways:
            targets[name] = stack.enter_context(gateway(name, doorward, bench, place, upstream))
        yield Stage(
            targets,
            place / "load",
            (str(doorward.with_name("python")), str(bench / "listing.py")),
            (str(doorward.with_name("python")), str(bench / "identity.py")),
            (str(doorward.with_name("python")), str(bench / "revocation.py")),
            (str(doorward.with_name("python")), str(bench / "api.py")),
            (str(doorward.with_name("python")), str(bench / "evidence.py")),
            place,
            lambda: gateway("relay", doorward, bench, place, upstream, alone=True, keys=4),
        )
