"""`doorward tools list|call`: an MCP client of the running gateway, with the caller's own key."""

import argparse
import json
import re
from typing import Any, Final, NoReturn

from doorward.cli.credential import add_key_flag, key
from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output, printable
from doorward.cli.parser import Parser, Subparsers, add_command, add_group, config_path
from doorward.cli.trust import add_tls_flags, tls_files

DENIAL: Final = "dev.doorward/denial"
MAX_PAGES: Final = 1000
_DENIED, _HELD, _UNAUTHORIZED = -31001, -31002, -31010
_UNREACHABLE: Final = {"upstream_unreachable", "upstream_timeout", "shutting_down", "call_cut", "overloaded"}


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "tools", "List or call tools through the running gateway")
    _common(add_command(group, "list", "List the tools that this key may see", show))
    call_parser = add_command(group, "call", "Call one tool and print what it returns", call)
    call_parser.add_argument("name", help="the tool: its own name with --server, else server__tool")
    call_parser.add_argument(
        "--arg",
        action="append",
        default=[],
        type=_argument,
        metavar="NAME=VALUE",
        help="one argument; VALUE is JSON where it reads as JSON, else text",
    )
    call_parser.add_argument("--args", type=_object, metavar="JSON", help="all arguments as one JSON object")
    _common(call_parser)


def show(args: argparse.Namespace) -> int:
    tools = _list(args)
    output = Output.of(args)
    rows = [(str(tool.get("name", "")), _summary(tool)) for tool in tools]
    if rows:
        output.table(("TOOL", "DESCRIPTION"), rows)
    else:
        output.say("no tools: nothing is granted to this key, or the servers list none")
    output.result("tools", {"tools": tools})
    return 0


def call(args: argparse.Namespace) -> int:
    """Exit 5 when the tool reports an error, 11 when policy denies."""
    arguments = {**(args.args or {}), **dict(args.arg)}
    result = _request(args, "tools/call", {"name": args.name, "arguments": arguments}, args.name)
    output = Output.of(args)
    for block in result.get("content") or []:
        output.say(_text(block))
    denial = (result.get("_meta") or {}).get(DENIAL)
    output.result("tool-result", {"tool": args.name, "result": result})
    if not result.get("isError"):
        return Exit.OK
    return Exit.UPSTREAM if denial is None else Exit.DENIED


def _common(parser: Parser) -> None:
    parser.add_argument("--server", help="one server instead of all")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="default: 120")
    add_key_flag(parser)
    add_tls_flags(parser)


def _list(args: argparse.Namespace) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    params: dict[str, Any] = {}
    for _ in range(MAX_PAGES):
        page = _request(args, "tools/list", params)
        tools += [tool for tool in page.get("tools") or [] if isinstance(tool, dict)]
        if not isinstance(page.get("nextCursor"), str):
            return tools
        params = {"cursor": page["nextCursor"]}
    raise CommandError(Exit.UPSTREAM, f"the list has more than {MAX_PAGES} pages")


def _request(
    args: argparse.Namespace, method: str, params: dict[str, Any], name: str | None = None
) -> dict[str, Any]:
    from doorward.cli.client import Client, RpcFailure
    from doorward.cli.running import listener

    if args.server is not None and not re.fullmatch("[a-z0-9-]{1,16}", args.server):
        raise CommandError(Exit.USAGE, f'"{args.server}" is no name of a server', "doorward servers list")
    endpoint = "/mcp" if args.server is None else f"/mcp/{args.server}"
    client = Client(listener(config_path(args)), key(args), args.timeout, tls_files(args))
    try:
        return client.call(endpoint, method, params, name)
    except RpcFailure as failure:
        _fail(failure.status, failure.code, failure.message, failure.data)


def _fail(status: int, code: int, message: str, data: dict[str, Any]) -> NoReturn:
    reason = str(data.get("reason", ""))
    hint = printable(str(data["advice"])) if data.get("advice") else None
    if status == 401:
        exit_code, hint = Exit.AUTH, "put a key into DOORWARD_KEY: doorward keys create --agent NAME"
    elif code == _UNAUTHORIZED:
        exit_code = Exit.AUTH
        if scopes := data.get("scopes"):
            hint = printable(f"a token needs for this: {' '.join(map(str, scopes))}")
    elif code in {_DENIED, _HELD} or status == 403:
        exit_code = Exit.DENIED
    elif status == 503 or reason in _UNREACHABLE:
        exit_code = Exit.UNREACHABLE
    elif code == -32602 or status == 404:
        exit_code, hint = Exit.USAGE, "doorward tools list shows what this key may call"
    else:
        exit_code = Exit.UPSTREAM
    raise CommandError(exit_code, printable(message), hint, data={"rpc": {"code": code, "data": data}})


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f'expected NAME=VALUE, not "{text}"')
    try:
        return name, json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return name, value


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("expected a JSON object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _text(block: Any) -> str:
    """A content block in words: text as it is, everything else by kind and size."""
    if not isinstance(block, dict):
        return "[not a content block]"
    kind = block.get("type")
    if kind == "text":
        return "\n".join(printable(line) for line in str(block.get("text", "")).split("\n"))
    if kind == "resource_link":
        return printable(f"[link {block.get('uri')}]")
    resource = block.get("resource")
    if kind == "resource" and isinstance(resource, dict):
        return printable(str(resource.get("text") or f"[resource {resource.get('uri')}]"))
    size = len(str(block.get("data", "")))
    return printable(f"[{kind} {block.get('mimeType', '')}, {size} base64 characters]")


def _summary(tool: dict[str, Any]) -> str:
    text = str(tool.get("description") or tool.get("title") or "").strip()
    line = text.splitlines()[0] if text else "-"
    return line if len(line) <= 72 else line[:71] + "…"
