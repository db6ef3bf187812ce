"""A stateless client that knows its tools calls on, whatever the gateway went through."""

from pathlib import Path

import httpx2

from tests.e2e.conftest import Start
from tests.e2e.support import servers
from tests.e2e.support.raw import call


def test_the_first_call_after_a_start_needs_no_list_before_it(start: Start, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    grant = {"servers": ["files"], "tools": {"allow": ["list_*"]}}
    gw = start(
        {
            "servers": {"files": {"command": servers.files(tmp_path / "documents")}},
            "agents": {"user": {"grants": [grant]}},
        }
    )
    assert gw.stop() == 0
    gw.start(settled=False)

    with httpx2.Client(timeout=30) as http:
        answer = call(http, f"{gw.url}/mcp/files", gw.key("user"), "list_files", {}).json()

    assert "result" in answer, answer
