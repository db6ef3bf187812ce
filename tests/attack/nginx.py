"""A real nginx for a while: a proxy with faces, each a port of its own, and a log of what it forwarded."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.support.processes import LOOPBACK, child, free_port, listens
from tests.e2e.support.servers import missing

CONFIG = """
daemon off;
master_process off;
pid @PLACE@/nginx.pid;
error_log @PLACE@/errors.log info;
events { worker_connections 1024; }
http {
    log_format forwarded escape=json '{"face":"$server_name","method":"$request_method","uri":"$request_uri",'
        '"body":"$request_body","answer":"$upstream_status","status":"$status"}';
    access_log @PLACE@/access.log forwarded;
    client_body_temp_path @PLACE@/body;
    proxy_temp_path @PLACE@/proxy;
    fastcgi_temp_path @PLACE@/fastcgi;
    uwsgi_temp_path @PLACE@/uwsgi;
    scgi_temp_path @PLACE@/scgi;
    keepalive_timeout @IDLE@;
    client_header_timeout @IDLE@;
    client_body_timeout @IDLE@;
    lingering_close off;
    client_body_buffer_size 64k;
    client_body_in_single_buffer on;
    proxy_next_upstream off;
    upstream behind { server 127.0.0.1:@BEHIND@; keepalive 8; }
    @SERVERS@
}
"""
SERVER = """
    server {
        listen 127.0.0.1:@PORT@;
        server_name @FACE@;
        location / {
            proxy_pass http://behind;
            @OPTIONS@
        }
        @OUTER@
    }
"""
KEPT = 'proxy_http_version 1.1; proxy_set_header Connection "";'
"""Connections to what is behind are kept and shared."""
PLAIN: Mapping[str, tuple[str, str]] = {"plain": (KEPT, "")}


@dataclass(frozen=True)
class Nginx:
    ports: Mapping[str, int]
    """By the name of the face."""
    place: Path

    def url(self, face: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[face]}"

    def log(self) -> list[dict[str, Any]]:
        """What came in, in the order in which it was done with; `answer` is "" when it was not forwarded."""
        text = (self.place / "access.log").read_text(encoding="utf-8", errors="replace")
        return [json.loads(line) for line in text.split("\n") if line]


@contextmanager
def nginx(
    place: Path, behind: int, faces: Mapping[str, tuple[str, str]] = PLAIN, idle: str = "60s"
) -> Iterator[Nginx]:
    """In front of port `behind`. A face is what stands in its location, and around it."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        missing("nginx")
    ports = {face: free_port() for face in faces}
    servers = "".join(
        SERVER.replace("@PORT@", str(ports[face]))
        .replace("@FACE@", face)
        .replace("@OPTIONS@", inner)
        .replace("@OUTER@", outer)
        for face, (inner, outer) in faces.items()
    )
    text = CONFIG.replace("@SERVERS@", servers).replace("@PLACE@", str(place)).replace("@IDLE@", idle)
    (place / "nginx.conf").write_text(text.replace("@BEHIND@", str(behind)), encoding="utf-8")
    command = [program, "-p", str(place), "-c", str(place / "nginx.conf")]
    with child(command, place / "nginx.log") as process:
        process.wait_until(lambda: all(listens(port) for port in ports.values()), "nginx listens")
        yield Nginx(ports, place)
