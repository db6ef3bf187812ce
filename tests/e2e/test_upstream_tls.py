"""An upstream behind TLS with a private authority: reached with `tls.ca`, never without."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Start
from tests.e2e.support import guarded_crm
from tests.e2e.support.certificates import Authority
from tests.e2e.support.clients import ERAS, connect, names, text
from tests.e2e.support.processes import LOOPBACK, child, free_port, listens
from tests.e2e.support.raw import list_tools


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Authority]]:
    folder = tmp_path_factory.mktemp("upstream")
    authority = Authority(folder, "authority")
    certificate, key = authority.certificate()
    port = free_port()
    command = [sys.executable, guarded_crm.__file__, "--port", str(port), "--database", "crm.sqlite3"]
    command += ["--cert", str(certificate), "--key", str(key)]
    with child(command, folder / "crm.log") as running:
        running.wait_until(lambda: listens(port), "the upstream listens")
        yield port, authority


def config(port: int, tls: dict[str, str]) -> dict[str, Any]:
    grant = {"servers": ["crm"], "tools": {"allow": ["find_*"]}}
    server = {"url": f"https://{LOOPBACK}:{port}/mcp", "tls": tls}
    return {"servers": {"crm": server}, "agents": {"user": {"grants": [grant]}}}


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ERAS)
async def test_the_private_authority_is_trusted(
    start: Start, upstream: tuple[int, Authority], mode: str
) -> None:
    port, authority = upstream
    gw = start(config(port, {"ca": str(authority.file), "min_version": "1.3"}))
    async with connect(f"{gw.url}/mcp/crm", gw.key("user"), mode) as client:
        assert await names(client) == {"find_customers"}
        result = await client.call_tool("find_customers", {"query": "quill"})

    assert "Ada Quill" in text(result)


@pytest.mark.parametrize("trust", ["the system's authorities", "another authority", "another name"])
def test_everybody_else_is_not(
    start: Start, upstream: tuple[int, Authority], tmp_path: Path, trust: str
) -> None:
    port, authority = upstream
    tls = {
        "the system's authorities": {},
        "another authority": {"ca": str(Authority(tmp_path, "other").file)},
        "another name": {"ca": str(authority.file), "server_name": "crm.example"},
    }[trust]
    gw = start(config(port, tls))

    with httpx2.Client(timeout=30) as http:
        answer = list_tools(http, f"{gw.url}/mcp/crm", gw.key("user"))
    assert answer["error"]["data"]["server"] == "crm"
    assert "crm" in gw.readyz().text
