"""The configuration of a command, or exit code 2 with every problem."""

import argparse

from doorward.cli import wiring
from doorward.cli.exit import CommandError, Exit
from doorward.cli.parser import config_path
from doorward.config.errors import ConfigError
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


def checked(args: argparse.Namespace) -> Loaded:
    """The same, with a look into the files that it names: what can be served here. Raises
    CommandError(USAGE)."""
    document = loaded(args)
    try:
        wiring.check_files(document)
    except ConfigError as error:
        raise _unusable(error) from None
    return document


def _unusable(error: ConfigError) -> CommandError:
    problems = [problem.as_json() for problem in error.problems]
    return CommandError(Exit.USAGE, error.render(), data={"problems": problems})
