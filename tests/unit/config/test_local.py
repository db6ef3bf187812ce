"""How a local server's processes are run, as the document may say it."""

import pytest

from doorward.config.errors import ConfigError
from doorward.config.load import parse
from doorward.config.local import Processes
from doorward.config.schema import json_schema
from doorward.config.settings import Server


def server(text: str) -> Server:
    document = f"version: 1\nservers: {{a: {{command: [x], {text}}}}}"
    return parse(document, environ={}).settings.servers["a"]


def test_everything_has_a_default() -> None:
    assert server("").processes is None
    assert server("processes: {}").processes == Processes()
    assert (Processes().max, Processes().idle, Processes().stop, Processes().restarts) == (32, 600.0, 5.0, 5)
    assert Processes().unanswered == 3
    assert Processes().umask is None


def test_everything_may_be_said() -> None:
    said = server(
        "processes: {max: 4, idle: 1m, stop: 0s, restarts: 0, unanswered: 0, umask: '0027'}"
    ).processes
    assert said is not None
    assert (said.max, said.idle, said.stop, said.restarts, said.umask) == (4, 60.0, 0.0, 0, 0o027)
    assert said.unanswered == 0
    assert said.model_dump()["umask"] == "027"


@pytest.mark.parametrize(
    "mask", ["027", "23", "'27'", "'1000'", "'088'", "'0o27'", "'٠٢٧'", "true", "['027']"]
)
def test_a_mask_is_octal_digits_in_quotes(mask: str) -> None:
    with pytest.raises(ConfigError, match="three octal digits in quotes"):
        server(f"processes: {{umask: {mask}}}")


@pytest.mark.parametrize(
    "text", ["max: 1", "max: 2000", "idle: 0s", "restarts: -1", "unanswered: -1", "most: 3", "max: '3'"]
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="processes"):
        server(f"processes: {{{text}}}")


def test_a_remote_server_has_no_processes() -> None:
    with pytest.raises(ConfigError, match="processes goes with command"):
        parse("version: 1\nservers: {a: {url: 'https://a.example/mcp', processes: {}}}", environ={})


def test_the_schema_knows_them() -> None:
    described = json_schema()["$defs"]["Processes"]["properties"]
    assert set(described) == {"max", "idle", "stop", "restarts", "unanswered", "umask"}
    assert all("description" in one for one in described.values())
