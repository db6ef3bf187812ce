"""The servers as a client sees them, without a transport between."""

from pathlib import Path

import pytest
from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp.types import TextContent, TextResourceContents

from doorward.demo.servers import crm, files
from doorward.demo.servers.customers import Customers
from doorward.demo.servers.folder import Folder

pytestmark = pytest.mark.asyncio

ERAS = ("legacy", "2026-07-28")


@pytest.fixture
def crm_server(tmp_path: Path) -> MCPServer:
    customers = Customers(tmp_path / "crm.sqlite")
    customers.seed()
    return crm.server(customers)


@pytest.fixture
def files_server(tmp_path: Path) -> MCPServer:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "monday.txt").write_text("tea\n")
    return files.server(Folder(tmp_path))


@pytest.mark.parametrize("era", ERAS)
async def test_crm_says_what_its_tools_do(crm_server: MCPServer, era: str) -> None:
    async with Client(crm_server, mode=era) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}

    hints = {name: tool.annotations for name, tool in tools.items()}
    assert [name for name, hint in hints.items() if hint and hint.read_only_hint] == [
        "find_customers",
        "get_customer",
    ]
    assert [name for name, hint in hints.items() if hint and hint.destructive_hint] == ["delete_customer"]
    assert all(tool.output_schema for tool in tools.values())


@pytest.mark.parametrize("era", ERAS)
async def test_crm_answers_with_structure(crm_server: MCPServer, era: str) -> None:
    async with Client(crm_server, mode=era) as client:
        result = await client.call_tool("find_customers", {"query": "solar", "limit": 1})

    assert result.structured_content is not None
    assert [row["name"] for row in result.structured_content["result"]] == ["Esi Mensah"]


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("get_customer", {"id": 99}, "there is no customer 99"),
        ("delete_customer", {"id": 99}, "there is no customer 99"),
        ("update_email", {"id": 1, "email": "nonsense"}, "is no email address"),
        ("find_customers", {"query": "", "limit": 0}, "limit"),
    ],
)
async def test_crm_reports_mistakes_as_tool_errors(
    crm_server: MCPServer, tool: str, arguments: dict[str, object], says: str
) -> None:
    async with Client(crm_server) as client:
        result = await client.call_tool(tool, arguments)

    assert result.is_error
    assert isinstance(result.content[0], TextContent)
    assert says in result.content[0].text


async def test_crm_changes_and_deletes(crm_server: MCPServer) -> None:
    async with Client(crm_server) as client:
        changed = await client.call_tool("update_email", {"id": 1, "email": "new@quill.example"})
        await client.call_tool("delete_customer", {"id": 1})
        gone = await client.call_tool("get_customer", {"id": 1})

    assert changed.structured_content is not None
    assert changed.structured_content["email"] == "new@quill.example"
    assert gone.is_error


@pytest.mark.parametrize("era", ERAS)
async def test_files_are_tools_and_resources(files_server: MCPServer, era: str) -> None:
    async with Client(files_server, mode=era) as client:
        written = await client.call_tool("write_file", {"path": "tuesday.txt", "text": "milk\n"})
        uris = [resource.uri for resource in (await client.list_resources()).resources]
        templates = (await client.list_resource_templates()).resource_templates
        known = await client.read_resource("notes://notes/monday.txt")
        new = await client.read_resource("notes://tuesday.txt")

    assert written.structured_content == {"path": "tuesday.txt", "size": 5}
    assert uris == ["notes://notes/monday.txt"]
    assert [template.uri_template for template in templates] == ["notes://{+path}"]
    texts = [part.text for part in known.contents + new.contents if isinstance(part, TextResourceContents)]
    assert texts == ["tea\n", "milk\n"]


async def test_files_refuse_the_outside(files_server: MCPServer) -> None:
    async with Client(files_server) as client:
        by_tool = await client.call_tool("read_file", {"path": "../outside.txt"})
        with pytest.raises(MCPError):
            await client.read_resource("notes://../outside.txt")

    assert by_tool.is_error


async def test_both_have_a_prompt(crm_server: MCPServer, files_server: MCPServer) -> None:
    async with Client(crm_server) as one, Client(files_server) as other:
        letter = await one.get_prompt("letter", {"name": "Ada", "subject": "paper"})
        summary = await other.get_prompt("summarise", {"path": "notes/monday.txt"})

    assert isinstance(letter.messages[0].content, TextContent)
    assert "Ada" in letter.messages[0].content.text
    assert isinstance(summary.messages[0].content, TextContent)
    assert "notes/monday.txt" in summary.messages[0].content.text
