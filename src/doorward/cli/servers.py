"""`doorward servers list`."""

import argparse
from typing import Any

from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, add_group, config_path
from doorward.cli.trust import add_tls_flags, tls_files


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "servers", "Show the servers behind the gateway")
    parser = add_command(group, "list", "List servers: live when the gateway runs, else as configured", run)
    add_tls_flags(parser)


def run(args: argparse.Namespace) -> int:
    from doorward.cli.running import listener
    from doorward.cli.status import readiness, show_servers

    output = Output.of(args)
    try:
        state = readiness(listener(config_path(args)), tls_files(args))
    except CommandError as error:
        if error.exit_code is not Exit.UNREACHABLE:
            raise
        state = {}
    if isinstance(state.get("servers"), dict):
        show_servers(output, state)
        output.result("servers", {"running": True, "servers": state["servers"]})
        return 0
    servers = _configured(args)
    if servers:
        output.table(("SERVER", "MODE", "TARGET"), [(n, s["mode"], s["target"]) for n, s in servers.items()])
    else:
        output.say("no servers; add one under servers: in the configuration")
    output.result("servers", {"running": False, "servers": servers})
    return 0


def _configured(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Servers as the file has them, with references unresolved: they may stand for secrets."""
    from doorward.cli.settings import loaded

    document = loaded(args)
    found = {}
    for name, server in document.settings.servers.items():
        path = ("servers", name)
        if server.url is not None:
            target = document.places.written((*path, "url")) or ""
        else:
            words = range(len(server.command or ()))
            target = " ".join(document.places.written((*path, "command", word)) or "" for word in words)
        found[name] = {"mode": document.settings.mode_of(name).value, "target": target}
    return found
