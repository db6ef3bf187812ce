"""`doorward status`: is it running, and is everything behind it up."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, config_path
from doorward.cli.trust import TlsFiles, add_tls_flags, tls_files

if TYPE_CHECKING:
    from doorward.cli.running import Listener


def add_parser(subparsers: Subparsers) -> None:
    add_tls_flags(add_command(subparsers, "status", "Show the running gateway and its servers", run))


def run(args: argparse.Namespace) -> int:
    """Exit 4 when no gateway runs, or when it is not ready."""
    from doorward.cli.running import listener

    output = Output.of(args)
    found = listener(config_path(args))
    listen, state = found.address, readiness(found, tls_files(args))
    status = str(state.get("status", "unknown"))
    color = {"ready": "green", "not_ready": "red"}.get(status, "yellow")
    mode = f", mode {state['mode']}" if "mode" in state else ""
    output.say(f"{output.style(color, status)} at {listen}{mode}")
    if found.admin:
        output.say(f"  operators at {found.admin}")
    if state.get("audit", "ok") != "ok":
        output.say(f"  no call is served: {state['audit']}")
    if state.get("evidence", "ok") != "ok":
        output.say(f"  calls are recorded, and the evidence is behind: {state['evidence']}")
    if state.get("config"):
        output.say(f"  {config_path(args)} is not in force as it is now: {state['config']}")
    _show_tls(output, state.get("tls"))
    _show_issuers(output, state.get("issuers"))
    _show_refused(output, state.get("http"))
    show_servers(output, state)
    output.result("status", {"listen": listen, "admin": found.admin or None, **state})
    return Exit.UNREACHABLE if status == "not_ready" else Exit.OK


def readiness(listener: "Listener", files: TlsFiles) -> dict[str, Any]:
    """What /readyz says. Raises CommandError(UNREACHABLE)."""
    from doorward.cli.client import Client

    answer = Client(listener, timeout=2.0, files=files).get("/readyz")
    try:
        state = json.loads(answer.body)
    except ValueError:
        state = None
    if not isinstance(state, dict):
        message = f"{listener.address} answered HTTP {answer.status}: this is no Doorward gateway"
        raise CommandError(Exit.UNREACHABLE, message)
    return state


def _show_refused(output: Output, http: Any) -> None:
    """What the HTTP edge has turned away since the start, the most frequent first."""
    refused = http.get("refused") if isinstance(http, dict) else None
    if isinstance(refused, dict) and refused:
        most = sorted(refused.items(), key=lambda each: (-each[1], each[0]))
        output.say(f"  refused: {', '.join(f'{reason} {count}' for reason, count in most)}")


def _show_issuers(output: Output, issuers: Any) -> None:
    """Those that could not be asked; their last good keys count for a day."""
    for name, why in issuers.items() if isinstance(issuers, dict) else ():
        output.say(f"  issuer {name}: {output.style('yellow', str(why))}")


def _show_tls(output: Output, tls: Any) -> None:
    """When the certificate expires; said in colour when that is soon."""
    if not isinstance(tls, dict):
        return
    days, expires = tls.get("days"), str(tls.get("expires", ""))[:10]
    if isinstance(days, int):
        when = (
            f"expires in {days} days"
            if days > 1
            else "expires within two days"
            if days >= 0
            else "has expired"
        )
        text = f"certificate {when} ({expires})"
        color = "red" if days < 7 else "yellow" if days < 30 else "green"
        output.say(f"  {output.style(color, text)}")
    if tls.get("problem"):
        output.say(f"  its new files are not in force: {tls['problem']}")


def show_servers(output: Output, state: dict[str, Any]) -> None:
    """One row for each server that /readyz names; it names them to loopback callers only."""
    servers = state.get("servers")
    if not isinstance(servers, dict) or not servers:
        return
    rows = [(name, *_row(server)) for name, server in servers.items() if isinstance(server, dict)]
    output.table(("SERVER", "STATE", "MODE", "ERA", "TRANSPORT", "NOTE"), rows)


def _row(server: dict[str, Any]) -> tuple[str, str, str, str, str]:
    notes = [str(server[member]) for member in ("cause", "details", "note") if server.get(member)]
    if server.get("insecure"):
        notes.append("plain http")
    if server.get("unlisted"):
        notes.append(f"no usable answer to {', '.join(map(str, server['unlisted']))}")
    shown = (str(server.get(member) or "-") for member in ("state", "mode", "era", "transport"))
    state, mode, era, transport = shown
    return state, mode, era, transport, "; ".join(notes) or "-"
