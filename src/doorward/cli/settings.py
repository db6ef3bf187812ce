"""The configuration of a command, or exit code 2 with every problem."""

import argparse

from doorward.cli import wiring
from doorward.cli.exit import CommandError, Exit
from doorward.cli.parser import config_path
from doorward.config.errors import ConfigError, Problem
from doorward.config.load import Loaded, load


def loaded(args: argparse.Namespace) -> Loaded:
    """The good document that the arguments name. Raises CommandError(USAGE)."""
    return load_file(config_path(args))


def load_file(path: str) -> Loaded:
    """The good document of that path. Raises CommandError(USAGE)."""
    try:
        return load(path)
    except ConfigError as error:
        raise _unusable(error) from None


def checked(args: argparse.Namespace, *, strict: bool = False) -> tuple[Loaded, list[Problem]]:
    """The same, with a look for the files and programs that it names: what can be served here, and what is
    only a warning. `strict`: nothing is only a warning. Raises CommandError(USAGE)."""
    document = loaded(args)
    try:
        warnings = wiring.check_files(document)
        if strict and warnings:
            raise ConfigError(warnings)
    except ConfigError as error:
        raise _unusable(error) from None
    return document, warnings


def _unusable(error: ConfigError) -> CommandError:
    problems = [problem.as_json() for problem in error.problems]
    return CommandError(Exit.USAGE, error.render(), data={"problems": problems})
