"""`doorward config validate|schema`."""

import argparse
import json

from doorward.cli.output import Output
from doorward.cli.parser import Subparsers, add_command, add_group, config_path


def add_parser(subparsers: Subparsers) -> None:
    group = add_group(subparsers, "config", "Check the configuration, or print its JSON Schema")
    validate_parser = add_command(
        group, "validate", "Report everything that is wrong with the file", validate
    )
    validate_parser.add_argument("file", nargs="?", help="the file, instead of -c")
    validate_parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    add_command(group, "schema", "Print the JSON Schema for editors", schema)


def validate(args: argparse.Namespace) -> int:
    from doorward.cli.settings import checked

    if args.file is not None:
        args.config = args.file
    document, warnings = checked(args, strict=args.strict)
    settings, output = document.settings, Output.of(args)
    for warning in warnings:
        output.say(warning.render())
    modes = {name: settings.mode_of(name).value for name in settings.servers}
    output.say(
        f"{config_path(args)}: ok, {_count(len(modes), 'server')}, {_count(len(settings.agents), 'agent')}, "
        f"mode {settings.mode.value}"
    )
    output.result(
        "config",
        {
            "file": config_path(args),
            "digest": document.digest,
            "mode": settings.mode.value,
            "servers": modes,
            "agents": list(settings.agents),
            "problems": [warning.as_json() for warning in warnings],
        },
    )
    return 0


def schema(_: argparse.Namespace) -> int:
    from doorward.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
