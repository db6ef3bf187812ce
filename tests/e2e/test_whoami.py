"""What a real gateway sees of a real key, asked as somebody would who wonders why a call was denied."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Start
from tests.e2e.support import servers
from tests.e2e.support.gateway import Gateway


def asked(gw: Gateway, file: Path, *flags: str, code: int = 0) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(gw.run("whoami", "--key-file", str(file), "--json", *flags, code=code))
    return said


def test_whoami_follows_what_becomes_of_a_key(start: Start, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    grant = {"servers": ["*"], "tools": {"allow": ["list_*"]}}
    server = {"command": servers.files(documents)}
    gw = start({"servers": {"files": server, "more": server}, "agents": {"bot": {"grants": [grant]}}})
    made = json.loads(gw.run("keys", "create", "--agent", "bot", "--servers", "files", "--json"))
    file = tmp_path / "key"
    file.write_text(made["key"] + "\n")

    near, far = asked(gw, file), asked(gw, file, "--url", f"{gw.url}/mcp")
    assert near == far
    assert (near["agent"], near["method"], near["key_id"]) == ("bot", "key", made["id"])
    assert near["servers"] == ["files"]
    assert near["bounds"]["narrowings"][0]["servers"] == ["files"]
    assert made["key"] not in json.dumps(near)

    words = gw.run("whoami", "--key-file", str(file))
    assert "servers     files" in words

    gw.run("keys", "revoke", made["id"])
    for _ in range(100):
        try:
            refused = asked(gw, file, code=3)
            break
        except AssertionError:
            continue
    else:
        raise AssertionError("the key is still known")
    assert refused["error"]["message"] == "the credential was not accepted"
    assert made["id"] not in json.dumps(refused)
    (record,) = [one for one in gw.refusals() if one["reason"] == "credential_revoked"][:1]
    assert record["detail"]
    assert made["key"] not in json.dumps(record)
