"""`doorward bridge`: what a client that only speaks stdio starts. Stdout carries nothing but JSON-RPC."""

import argparse

from doorward.cli import wiring
from doorward.cli.credential import add_key_flag, key
from doorward.cli.exit import CommandError, Exit
from doorward.cli.parser import Subparsers, add_command
from doorward.cli.trust import add_tls_flags, tls_files


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "bridge", "Relay stdio to a running gateway", run)
    parser.add_argument(
        "--url", required=True, help="the gateway's endpoint, such as http://127.0.0.1:7420/mcp"
    )
    add_key_flag(parser)
    add_tls_flags(parser, ca=True)


def run(args: argparse.Namespace) -> int:
    if not args.url.startswith(("http://", "https://")):
        raise CommandError(Exit.USAGE, "doorward bridge: --url must be an http or https URL")
    return wiring.bridge(args.url, key(args), tls_files(args))
