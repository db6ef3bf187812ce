"""`doorward whoami`: what a gateway sees of a credential, as the gateway says it."""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from doorward.cli.credential import KEY_VARIABLE, add_key_flag, key
from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output, printable
from doorward.cli.parser import Subparsers, add_command, config_path
from doorward.cli.trust import add_tls_flags, tls_files
from doorward.model.reasons import Reason

if TYPE_CHECKING:
    from doorward.cli.client import Answer

_URL: Final = re.compile(r"(https?://[^?#]+)/mcp(?:/([a-z0-9-]{1,16}))?/?")
MOST: Final = 16 * 1024
"""Bytes of a file with a credential in it."""


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "whoami", "Show what the gateway sees of a key or token", run)
    parser.add_argument(
        "--url",
        help="a gateway's endpoint, such as https://gateway.example.com/mcp (default: the running one)",
    )
    parser.add_argument("--server", help="ask for /mcp/SERVER, for a token that is made for it alone")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--key-file", metavar="FILE", help="file with a key in it")
    given.add_argument("--token-file", metavar="FILE", help="file with an access token in it")
    add_key_flag(parser)
    add_tls_flags(parser, ca=True)


def run(args: argparse.Namespace) -> int:
    """Exit 3 for a credential that was not accepted."""
    server = args.server
    if server is not None and not re.fullmatch("[a-z0-9-]{1,16}", server):
        raise CommandError(Exit.USAGE, f'"{server}" is no name of a server', "doorward servers list")
    answer = _ask(args, server)
    said = _read(answer)
    output = Output.of(args)
    for name, text in _lines(said):
        output.say(f"{name:<12}{printable(text)}")
    output.result("whoami", said)
    return Exit.OK


def _ask(args: argparse.Namespace, server: str | None) -> "Answer":
    credential = _credential(args)
    if args.url is None:
        from doorward.cli.client import Client
        from doorward.cli.running import listener

        client = Client(listener(config_path(args)), credential, files=tls_files(args))
        return client.whoami(server)
    found = _URL.fullmatch(args.url)
    if found is None:
        raise CommandError(Exit.USAGE, "--url is the URL of an endpoint, and ends with /mcp or /mcp/SERVER")
    from doorward.cli import remote

    named = server or found[2]
    path = "/whoami" if named is None else f"/whoami/{named}"
    return remote.get(found[1] + path, credential, tls_files(args))


def _credential(args: argparse.Namespace) -> str | None:
    """From a file, else from the environment. Raises CommandError(AUTH)."""
    file = args.key_file or args.token_file
    if file is None:
        return key(args)
    try:
        with Path(file).open("rb") as opened:
            found = opened.read(MOST).decode("ascii").strip()
    except OSError as error:
        raise CommandError(Exit.AUTH, f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(Exit.AUTH, f"{file} cannot be read as a credential") from None
    if not found or not found.isprintable() or " " in found:
        raise CommandError(
            Exit.AUTH, f"{file} holds no credential", "it should hold one line, and nothing else"
        )
    return found


def _read(answer: "Answer") -> dict[str, Any]:
    try:
        said: Any = json.loads(answer.body)
    except ValueError:
        said = None
    if answer.status != 200 or not isinstance(said, dict) or not isinstance(said.get("subject"), str):
        _fail(answer.status, said)
    return said


def _fail(status: int, said: Any) -> NoReturn:
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict):
        raise CommandError(Exit.UNREACHABLE, f"this is no gateway: it answered HTTP {status}")
    found = error.get("data")
    data: dict[str, Any] = found if isinstance(found, dict) else {}
    code = Exit.AUTH if status in (400, 401, 403) else Exit.UNREACHABLE if status == 503 else Exit.UPSTREAM
    hint = printable(str(data["advice"])) if data.get("advice") else None
    if data.get("reason") == Reason.CREDENTIAL_MISSING:
        hint = f"put a key or an access token into {KEY_VARIABLE}, or name a file: --key-file, --token-file"
    raise CommandError(code, printable(str(error.get("message", "no"))), hint, data={"rpc": error})


def _lines(said: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known, in words; what is not known has no line."""
    issuer = f" at {said['issuer']}" if said.get("issuer") else ""
    yield "subject", f"{said['subject']}{' (a person)' if said.get('human') else ''}{issuer}"
    team = f" of team {said['team']}" if said.get("team") else ""
    yield "agent", f"{said.get('agent')}{team}"
    strength = f", {said['strength']}" if said.get("strength") not in (None, said.get("method")) else ""
    key_id = f", key {said['key_id']}" if said.get("key_id") else ""
    yield "known by", f"{said.get('method')}{strength}{key_id}"
    for actor in said.get("actors") or []:
        known = f", agent {actor['agent']}" if actor.get("agent") else ""
        yield "through", f"{actor.get('subject')} at {actor.get('issuer')} ({actor.get('kind')}{known})"
    for name in ("client", "rate"):
        if said.get(name):
            yield name, str(said[name])
    for agent, rate in (said.get("agent_rates") or {}).items():
        yield "rate", f"{rate} for all of agent {agent}"
    yield "expires", str(said.get("expires_at") or "never")
    for name in ("scopes", "groups", "servers"):
        if said.get(name) is not None and (said[name] or name != "groups"):
            yield name, " ".join(said[name]) or "none"
    yield from _bounds(said.get("bounds"))


def _bounds(bounds: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(bounds, dict):
        return
    for one in bounds.get("narrowings") or []:
        named = [(name, one[name]) for name in ("servers", "tools") if one.get(name) is not None]
        left = [f"{name} {' '.join(globs) or 'none'}" for name, globs in named]
        left += ["read only"] if one.get("read_only") else []
        yield "bound by", f"{one.get('of')}: {', '.join(left) or 'nothing'}"
    for count in bounds.get("people") or []:
        fits = f"{count} fitting" if count else "no entry fits, so nothing may be called"
        yield "bound by", f"people: {fits}"
    for agent in bounds.get("agents") or []:
        yield "bound by", f"agent {agent}"
