"""`doorward init`: a starter file to edit, in `mode: audit`."""

import argparse
from pathlib import Path
from typing import Final

from doorward.cli.exit import CommandError, Exit
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, config_path

STARTER: Final = """\
# Doorward's configuration. Check it: doorward config validate
# For completion in your editor: doorward config schema > doorward.schema.json, and then the next line.
# yaml-language-server: $schema=./doorward.schema.json
version: 1

# audit: every call is decided and recorded, and what policy would deny passes.
# Authentication is enforced all the same. When the log shows what you expect, change it to enforce.
mode: audit

gateway:
  listen: 127.0.0.1:7420         # agents connect to http://127.0.0.1:7420/mcp; [a, b] for several
  # tls: { cert: gateway.pem, key: gateway.key }   # https instead; client_ca asks for client certificates
  # trusted_proxies: [10.0.0.0/8]                  # whose X-Forwarded-For says who the caller is
  # state: .doorward             # database, audit log, keys of our own; beside this file

auth:
  keys: true                     # doorward keys create --agent me
  # issuers: [{ issuer: https://id.example.com }]  # access tokens too; needs gateway.public_url

servers:
  # A local server, started by Doorward and spoken to over stdio:
  time:
    command: [uvx, mcp-server-time]
    timeout: 30s
    tools:
      "get_*": { class: read }   # read, write, destructive or external: what a call may do
  # A remote one. References are resolved when the file is loaded; an unset variable is an error:
  # github:
  #   url: https://api.githubcopilot.com/mcp/
  #   auth: { bearer: "${env:GITHUB_TOKEN}" }
  #   mode: enforce              # for this server only

agents:
  # Who may do what. What is not granted is denied (in audit mode: recorded as a would-be denial).
  me:
    servers: ["*"]
    tools:
      allow: ["*"]
      deny: ["delete_*"]         # a deny wins over every allow
    # resources: { allow: ["file:///srv/docs/*"] }
    # when: { arguments.timezone: { in: [UTC, Europe/Berlin] } }
    see_rules: true              # denials name their rule and line
    # rate: 100/min              # of all its callers together; a key may have its own: keys create --rate
"""


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "init", "Write a commented starter configuration in audit mode", run)
    parser.add_argument("--force", action="store_true", help="overwrite a file that exists")


def run(args: argparse.Namespace) -> int:
    path, output = Path(config_path(args)), Output.of(args)
    try:
        with path.open("w" if args.force else "x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError:
        raise CommandError(Exit.USAGE, f"{path} exists", "--force overwrites it") from None
    except OSError as error:
        raise CommandError(Exit.USAGE, f"cannot write {path}: {error.strerror}") from None
    flag = "" if str(path) == "doorward.yaml" else f" -c {path}"
    steps = [
        f"doorward config validate{flag}",
        f"doorward keys create --agent me{flag}",
        f"doorward serve{flag}",
    ]
    output.say(f"wrote {path} (mode audit: nothing is blocked yet, everything is recorded)")
    output.say("next:")
    for step in steps:
        output.say(f"  {step}")
    output.result("init", {"file": str(path), "mode": "audit", "next": steps})
    return 0
