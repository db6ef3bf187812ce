"""A folder of text files as an MCP server over stdio: `python -m doorward.demo.servers.files FOLDER`.

It ends when its stdin does.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.server.mcpserver.resources import FunctionResource
from mcp.types import ToolAnnotations

from doorward.demo.servers.folder import File, Folder, Refused

T = TypeVar("T")

_READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)


def server(folder: Folder) -> MCPServer:
    """The files of `folder`: three tools, a resource per file of now, a template for later ones."""
    files = MCPServer("files", title="Files", version="1.0", log_level="WARNING")

    @files.tool(title="List files", annotations=_READS)
    def list_files() -> list[File]:
        """List all files with their sizes."""
        return list(folder.list())

    @files.tool(title="Read a file", annotations=_READS)
    def read_file(path: str) -> str:
        """Read a text file."""
        return _or_tool_error(lambda: folder.read(path))

    @files.tool(title="Write a file", annotations=_WRITES)
    def write_file(path: str, text: str) -> File:
        """Create or replace a text file."""
        return _or_tool_error(lambda: folder.write(path, text))

    @files.resource("notes://{+path}", name="file", title="A file", mime_type="text/plain")
    def file(path: str) -> str:
        """A text file of the folder."""
        return _resource(folder, path)

    for known in folder.list():
        files.add_resource(_known(folder, known.path))

    @files.prompt(title="Summarise a file")
    def summarise(path: str) -> str:
        """Ask for a summary of one file."""
        return f"Read the file {path} and summarise it in three sentences."

    return files


def _known(folder: Folder, path: str) -> FunctionResource:
    return FunctionResource(
        uri=f"notes://{path}", name=path, mime_type="text/plain", fn=lambda: _resource(folder, path)
    )


def _resource(folder: Folder, path: str) -> str:
    try:
        return folder.read(path)
    except Refused as refused:
        raise ResourceError(str(refused)) from None


def _or_tool_error(work: Callable[[], T]) -> T:
    try:
        return work()
    except Refused as refused:
        raise ToolError(str(refused)) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Serves one client until it closes our stdin."""
    parser = argparse.ArgumentParser(prog="files", description="Text files of one folder, over MCP.")
    parser.add_argument("folder", type=Path, help="the folder; nothing outside of it is touched")
    args = parser.parse_args(argv)
    if not args.folder.is_dir():
        parser.error(f"{args.folder} is no folder")
    server(Folder(args.folder)).run("stdio")
    return 0


if __name__ == "__main__":
    sys.exit(main())
