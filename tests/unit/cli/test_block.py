"""`doorward block`, `unblock` and `blocks list` on a store that no gateway has open."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import pytest

from doorward.cli import main
from doorward.cli.block import named, ttl
from doorward.cli.exit import Exit

ISSUER = "https://id.example.com/realms/a"
TEXT = """\
version: 1
agents: {ci: {servers: [crm], tools: {allow: ["*"]}}, other: {}}
servers: {crm: {url: "http://127.0.0.1:9/mcp"}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "doorward.yaml"
    path.write_text(TEXT)
    return path


def run(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main.main([*words, "--json", "-c", str(config)]) == Exit.OK
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


@pytest.mark.parametrize(
    ("text", "kind", "value", "issuer"),
    [
        ("server:crm", "server", "crm", None),
        ("user:anna", "user", "anna", None),
        ("user:anna@example.com", "user", "anna@example.com", None),
        (f"user:anna@example.com@{ISSUER}", "user", "anna@example.com", ISSUER),
        (f"client:a:b@{ISSUER}", "client", "a:b", ISSUER),
        (
            f"user:https://x@{ISSUER}@https://last.example",
            "user",
            f"https://x@{ISSUER}",
            "https://last.example",
        ),
        ("jti:x@y", "jti", "x@y", None),
        (f"agent:a@{ISSUER}", "agent", f"a@{ISSUER}", None),
        ("key:dw_live_0123456789AB_secretsecret", "key", "0123456789AB", None),
    ],
)
def test_what_is_named(text: str, kind: str, value: str, issuer: str | None) -> None:
    assert named(text) == {"kind": kind, "value": value, "issuer": issuer}


@pytest.mark.parametrize("text", ["", "crm", "tool:x", "server:", ":x"])
def test_what_is_not(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="KIND:NAME"):
        named(text)


def test_times() -> None:
    assert [ttl(text) for text in ("30s", "15m", "1h", "2d", "1w")] == [30, 900, 3600, 172_800, 604_800]
    for text in ("0s", "1", "h", "1y", "-1h", "1.5h"):
        with pytest.raises(argparse.ArgumentTypeError):
            ttl(text)


def test_placed_listed_and_lifted(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    placed = run(config, capsys, "block", "server:crm", "--ttl", "1h", "--reason", "a leak")
    assert (placed["kind"], placed["value"], placed["reason"], placed["in_force"]) == (
        "server", "crm", "a leak", True,
    )  # fmt: skip
    assert abs(placed["expires_at"] - time.time() - 3600) < 300
    assert placed["agents"] == ["ci"]
    assert placed["calls"] is None  # nobody runs
    again = run(config, capsys, "block", "server:crm")
    user = run(config, capsys, "block", f"user:anna@{ISSUER}")
    assert user["issuer"] == ISSUER
    found = run(config, capsys, "blocks", "list")["blocks"]
    assert [one["id"] for one in found] == [placed["id"], again["id"], user["id"]]
    lifted = run(config, capsys, "unblock", "server:crm")["blocks"]
    assert [one["id"] for one in lifted] == [placed["id"], again["id"]]
    run(config, capsys, "unblock", user["id"])
    assert run(config, capsys, "blocks", "list")["blocks"] == []
    assert len(run(config, capsys, "blocks", "list", "--all")["blocks"]) == 3


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("block", "server:cmr"), "no server 'cmr' is configured"),
        (("block", "agent:nobody"), "agents are: ci, other"),
        (("block", "key:0123456789AB"), "no key of this id"),
        (("block", "nothing"), "KIND:NAME"),
        (("unblock", "agent:ci"), "nothing blocks agent:ci"),
        (("unblock", "bl_0123456789AB"), "no block of this id"),
        (("unblock", "what"), "no block's id"),
        (("block", "agent:ci", "--ttl", "soon"), "expected a time"),
    ],
)
def test_what_cannot_be(
    config: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], text: str
) -> None:
    assert main.main([*words, "-c", str(config)]) == Exit.USAGE
    assert text in capsys.readouterr().err


def test_a_page_for_people(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["block", "agent:ci", "--now", "-c", str(config)]) == Exit.OK
    said = capsys.readouterr().out
    assert "blocked agent:ci for good" in said
    assert "agents affected: ci" in said
    assert "no gateway runs" in said
    assert main.main(["blocks", "list", "-c", str(config)]) == Exit.OK
    assert "in force" in capsys.readouterr().out


def test_an_end_is_said_to_the_second(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = run(config, capsys, "block", "agent:ci", "--ttl", "50s")
    ends = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(block["expires_at"]))
    assert main.main(["blocks", "list", "-c", str(config)]) == Exit.OK
    assert ends in capsys.readouterr().out
