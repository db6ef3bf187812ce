"""`doorward serve`."""

import argparse

from doorward.cli import wiring
from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, config_path


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "serve", "Run the gateway", run)
    parser.add_argument("--stdio", action="store_true", help="serve one client over stdin and stdout")
    parser.add_argument("--check", action="store_true", help="check the configuration and exit")


def run(args: argparse.Namespace) -> int:
    from doorward.cli.settings import checked

    document, warnings = checked(args)
    if args.check:
        output = Output.of(args)
        for warning in warnings:
            output.say(warning.render())
        output.say(f"{config_path(args)}: ok")
        problems = [warning.as_json() for warning in warnings]
        output.result("config", {"file": config_path(args), "digest": document.digest, "problems": problems})
        return 0
    return wiring.serve(document, stdio=args.stdio)
